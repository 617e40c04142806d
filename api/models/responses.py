"""Responses about models and their weights."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, Field

from jobs.fleet.warmup_status import percent
from jobs.fleet.worker_registry import WeightsState
from runtime.commercial_use import CommercialUse

if TYPE_CHECKING:
    from api.context.model_registry import ModelRegistry
    from jobs.fleet.worker_registry import WeightsStatus
    from models.spec import Card, Input

_COMPLETE = (WeightsState.ON_DISK, WeightsState.LOADED)


_TRUST = (
    "Where the digests come from, of the least trusted file: `pinned` (the manifest), `hub` (the "
    "Hub's metadata, recorded at the first pull) or `unverified` (nobody)."
)


class WeightsStatusResponse(BaseModel):
    """State of one model's weights on one worker."""

    state: WeightsState
    revision: str | None = Field(
        description="Revision of the weights; null until the worker has looked at its disk."
    )
    percent: float | None = Field(description="Null while the total is unknown.", examples=[62.9])
    done_bytes: int = Field(examples=[4_400_000_000])
    total_bytes: int = Field(examples=[7_000_000_000])
    file: str | None = Field(
        description="File that is being downloaded.", examples=["unet/model.gguf"]
    )
    bytes_per_second: float | None = Field(examples=[310e6])
    detail: str | None = Field(description="Why it failed, in a sentence.")
    trust: str | None = Field(description=_TRUST, examples=["hub"])

    @classmethod
    def of(cls, weights: WeightsStatus, **more: str) -> Self:
        """The response for what a worker reported last; `more` are fields of a subclass."""
        total = weights.total_bytes
        done = total if weights.state in _COMPLETE else weights.done_bytes
        computed = {"percent": percent(done, total), "done_bytes": done}
        return cls(**weights.model_dump() | computed | more)


class WorkerWeightsStatus(WeightsStatusResponse):
    """State of a model's weights on one worker, with the worker's name."""

    name: str = Field(examples=["kinomill@host-gpu0-5e0c91d7"])


class WeightsSummary(BaseModel):
    """The weights of a model."""

    state: WeightsState = Field(
        description="State on the worker that is furthest ahead; `absent` without workers."
    )
    profile: str = Field(
        description="Default profile of the manifest; a worker may be set to another."
    )
    revision: str | None = Field(
        description="Digest of all files; null while the manifest does not list each file.",
        examples=["9f2b6c01d4aa"],
    )
    total_bytes: int | None = Field(
        description="Null while the size of a file is unknown.", examples=[7_000_000_000]
    )
    licenses: list[str] = Field(description="Licenses of the files.", examples=[["Apache-2.0"]])
    trust: str = Field(description=_TRUST, examples=["pinned"])


class WeightsResponse(WeightsSummary):
    """The weights of a model, with their state on each worker."""

    workers: list[WorkerWeightsStatus] = Field(
        description="Live workers that have reported the state of these weights."
    )


class ModelLicense(BaseModel):
    """License of a model's weights."""

    name: str
    commercial: CommercialUse = Field(
        description="Whether commercial use is allowed; `conditional` is within `restrictions`, "
        "which bind you and have to be passed on to users."
    )
    url: str | None
    restrictions: str | None = Field(
        description="What a `conditional` license forbids, in short; `url` states the license."
    )
    accepted: bool = Field(description="Whether this server may run the model.")


@cache
def input_schema(model: type[Input]) -> dict[str, Any]:
    """The JSON Schema of a model's input. Built once: of all models it takes 0.1 s."""
    return model.model_json_schema()


class ModelEntry(BaseModel):
    """A model as OpenAI's clients read it."""

    id: str = Field(description="Its name.")
    object: Literal["model"] = "model"
    created: int = Field(default=0, description="Not known: 0.")
    owned_by: str = "kinomill"


class ModelSummary(ModelEntry):
    """A model of this server."""

    name: str
    task: str = Field(examples=["lip-sync"])
    summary: str
    license: ModelLicense
    hardware: str = Field(
        description="Hardware that the model runs on.", examples=["CPU", "GPU 6 GB"]
    )
    input_schema: dict[str, Any] = Field(description="JSON Schema of `input`.")
    example: dict[str, Any] = Field(description="A valid input.")
    weights: WeightsSummary | None = Field(description="Null for a model without weights.")

    @classmethod
    def of(cls, card: Card, registry: ModelRegistry, weights: WeightsSummary | None) -> Self:
        """The response for a card."""
        return cls(
            id=card.name,
            name=card.name,
            task=card.task,
            summary=card.summary,
            license=ModelLicense(
                name=card.license.name,
                commercial=card.license.commercial,
                url=card.license.url,
                restrictions=card.license.restrictions,
                accepted=registry.license_accepted(card),
            ),
            hardware=card.hardware,
            input_schema=input_schema(card.input),
            example=dict(card.example),
            weights=weights,
        )


class ModelResponse(ModelSummary):
    """A model of this server, with the state of its weights on each worker."""

    weights: WeightsResponse | None = Field(description="Null for a model without weights.")


class ModelPage(BaseModel):
    """All models of this server."""

    items: list[ModelSummary]
    object: Literal["list"] = "list"
    data: list[ModelEntry] = Field(description="The same for OpenAI's clients.")
