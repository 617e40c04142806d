"""The weights of a model: what its manifest says of them, and how far the workers are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, Field

from jobs.fleet.warmup_status import percent
from jobs.fleet.worker_registry import WeightsState
from weights.errors import ManifestIncomplete
from weights.manifest import manifest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from jobs.fleet.worker_registry import WeightsStatus
    from models.spec import Card
    from weights.manifest.manifest import Pattern, WeightFile

BEST_LAST = (
    WeightsState.ABSENT,
    WeightsState.FAILED,
    WeightsState.DOWNLOADING,
    WeightsState.ON_DISK,
    WeightsState.LOADING,
    WeightsState.LOADED,
)
"""The state of a fleet is that of the worker which is furthest."""
_COMPLETE = (WeightsState.ON_DISK, WeightsState.LOADED)


@dataclass(frozen=True)
class Facts:
    """What the manifest says of the files that a worker pulls unless told otherwise."""

    profile: str
    revision: str | None
    total_bytes: int | None
    licenses: tuple[str, ...]


class StockAnswer(BaseModel):
    """How far one worker is with one model."""

    state: WeightsState
    revision: str | None = Field(description="Which weights; null before it has looked.")
    percent: float | None = Field(description="Null while the total is unknown.", examples=[62.9])
    done_bytes: int = Field(examples=[4_400_000_000])
    total_bytes: int = Field(examples=[7_000_000_000])
    file: str | None = Field(description="Which file comes now.", examples=["unet/model.gguf"])
    bytes_per_second: float | None = Field(examples=[310e6])
    detail: str | None = Field(description="Why it failed, in a sentence.")

    @classmethod
    def of(cls, weights: WeightsStatus, **more: str) -> Self:
        """The answer for what the worker last told."""
        total = weights.total_bytes
        done = total if weights.state in _COMPLETE else weights.done_bytes
        told = {"percent": percent(done, total), "done_bytes": done}
        return cls(**weights.model_dump() | told | more)


class WorkerStockAnswer(StockAnswer):
    """How far a worker is with this model."""

    name: str = Field(examples=["kinomill@host"])


class WeightsSummary(BaseModel):
    """The weights of a model."""

    state: WeightsState = Field(
        description="Of the worker that is furthest; `absent` without workers."
    )
    profile: str = Field(description="The manifest's default; a worker may be set to another.")
    revision: str | None = Field(
        description="Digest of all contents; null while the manifest does not name each file.",
        examples=["9f2b6c01d4aa"],
    )
    total_bytes: int | None = Field(
        description="Null while a size is not known.", examples=[7_000_000_000]
    )
    licenses: list[str] = Field(description="Of the files.", examples=[["Apache-2.0"]])


class WeightsAnswer(WeightsSummary):
    """The weights of a model, and which worker has what of them."""

    workers: list[WorkerStockAnswer] = Field(description="Those that live and know the model.")


def brief(card: Card, stocks: Mapping[str, WeightsStatus]) -> WeightsSummary | None:
    """What a card's manifest and its workers say. None: it has no weights."""
    if card.weights is None:
        return None
    known = facts(card.weights)
    state = max(
        (one.state for one in stocks.values()), key=BEST_LAST.index, default=WeightsState.ABSENT
    )
    return WeightsSummary(
        state=state,
        profile=known.profile,
        revision=known.revision,
        total_bytes=known.total_bytes,
        licenses=list(known.licenses),
    )


def full(card: Card, stocks: Mapping[str, WeightsStatus]) -> WeightsAnswer | None:
    """The same, worker by worker."""
    summary = brief(card, stocks)
    if summary is None:
        return None
    workers = [WorkerStockAnswer.of(one, name=name) for name, one in stocks.items()]
    return WeightsAnswer(**summary.model_dump(), workers=workers)


def read_manifests(cards: Iterable[Card]) -> None:
    """Read all manifests. Raises `WeightsError`: a bad one ends the start, not an answer."""
    for card in cards:
        if card.weights is not None:
            facts(card.weights)


@cache
def facts(path: Path) -> Facts:
    """Read a manifest, once a process. Facts that it leaves open are None."""
    whole = manifest.load(path)
    profile = whole.default_profile
    entries: tuple[WeightFile | Pattern, ...] = (*whole.files, *whole.patterns)
    licenses = tuple(sorted({one.license for one in entries if profile in one.profiles}))
    try:
        files = whole.select(strict=False)
    except ManifestIncomplete:
        return Facts(profile, None, None, licenses)
    sized = all(file.size_bytes for file in files.files)
    return Facts(profile, files.revision, files.size_bytes if sized else None, licenses)
