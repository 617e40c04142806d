"""Models as the API shows them: what they do, their input, and the state of their weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from kinomill.input_schema import InputSchema
from kinomill.job_parts import record

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class ModelLicense:
    """Terms of a model's weights; `accepted` says whether this server may run the model.

    `commercial` is `yes`, `no`, or `conditional`: within `restrictions`, to be passed on to users.
    """

    name: str
    commercial: str
    accepted: bool
    url: str | None = None
    restrictions: str | None = None

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """Read the field `license` of a model; older servers send a bool as `commercial`."""
        sent = raw["commercial"]
        use = {True: "yes", False: "no"}[sent] if isinstance(sent, bool) else sent
        return record(cls, raw, commercial=use)


@dataclass(frozen=True)
class WorkerWeights:
    """The weights of a model on one worker."""

    name: str
    state: str
    revision: str | None = None
    percent: float | None = None
    done_bytes: int = 0
    total_bytes: int = 0
    file: str | None = None
    bytes_per_second: float | None = None
    detail: str | None = None
    trust: str | None = None


@dataclass(frozen=True)
class Weights:
    """The weights of a model; `workers` is empty in lists of models."""

    state: str
    profile: str
    revision: str | None = None
    total_bytes: int | None = None
    licenses: tuple[str, ...] = ()
    trust: str | None = None
    workers: tuple[WorkerWeights, ...] = ()

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """Read the field `weights` of a model."""
        workers = tuple(record(WorkerWeights, worker) for worker in raw.get("workers", ()))
        return record(cls, raw, licenses=tuple(raw.get("licenses", ())), workers=workers)


@dataclass(frozen=True)
class Model:
    """A model of the server. `input_schema` is a JSON Schema, `example` an input that is valid."""

    name: str
    task: str
    summary: str
    hardware: str
    license: ModelLicense
    input_schema: Mapping[str, Any] = field(repr=False)
    example: Mapping[str, Any] = field(repr=False)
    weights: Weights | None
    raw: Mapping[str, Any] = field(repr=False)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """Read the JSON object of a model."""
        weights = raw.get("weights")
        return record(
            cls,
            raw,
            license=ModelLicense.from_json(raw["license"]),
            weights=Weights.from_json(weights) if weights else None,
            raw=raw,
        )

    @property
    def schema(self) -> InputSchema:
        """The input's schema: names its media fields, checks values before they are sent."""
        return InputSchema(self.input_schema)
