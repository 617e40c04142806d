"""Weights of a model: what its manifest says about them, and their state over the fleet."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from api.models.responses import WeightsResponse, WeightsSummary, WorkerWeightsStatus
from jobs.fleet.worker_registry import WeightsState
from models import catalog
from weights.manifest import manifest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from jobs.fleet.worker_registry import WeightsStatus
    from models.spec import Card
    from weights.manifest.manifest import Pattern, WeightFile

WEIGHTS_STATE_ORDER = (
    WeightsState.ABSENT,
    WeightsState.FAILED,
    WeightsState.DOWNLOADING,
    WeightsState.ON_DISK,
    WeightsState.LOADING,
    WeightsState.LOADED,
)
"""From furthest behind to furthest ahead. A fleet has the state of its furthest worker."""


@dataclass(frozen=True)
class ManifestInfo:
    """The default profile of a manifest. None: the manifest does not say."""

    profile: str
    revision: str | None
    total_bytes: int | None
    licenses: tuple[str, ...]
    trust: str


def summary(card: Card, workers: Mapping[str, WeightsStatus]) -> WeightsSummary | None:
    """Weights of a card, given their status by worker. None: the model has no weights."""
    if card.weights is None:
        return None
    info = manifest_info(card.weights)
    states = (status.state for status in workers.values())
    return WeightsSummary(
        state=max(states, key=WEIGHTS_STATE_ORDER.index, default=WeightsState.ABSENT),
        profile=info.profile,
        revision=info.revision,
        total_bytes=info.total_bytes,
        licenses=list(info.licenses),
        trust=info.trust,
    )


def detail(card: Card, workers: Mapping[str, WeightsStatus]) -> WeightsResponse | None:
    """`summary` with the status on each worker."""
    short = summary(card, workers)
    if short is None:
        return None
    statuses = [WorkerWeightsStatus.of(status, name=name) for name, status in workers.items()]
    return WeightsResponse(**short.model_dump(), workers=statuses)


def read_manifests(cards: Iterable[Card]) -> None:
    """Read the manifests of the operator: an invalid one fails the start instead of a request.

    Ours are tested, and read when a request needs them: all together take 0.04 s. Raises
    `WeightsError`.
    """
    ours = set(catalog.MANIFESTS.values())
    for card in cards:
        if card.weights is not None and card.weights not in ours:
            manifest_info(card.weights)


@cache
def manifest_info(path: Path) -> ManifestInfo:
    """The default profile of a manifest. Each file is read once per process."""
    selection = manifest.load(path).select()
    profile, trust = selection.profile, selection.trust
    entries: tuple[WeightFile | Pattern, ...] = (*selection.files, *selection.patterns)
    licenses = tuple(sorted({entry.license for entry in entries}))
    if selection.patterns:
        return ManifestInfo(profile, None, None, licenses, trust)
    sizes_known = all(file.size_bytes for file in selection.files)
    total_bytes = selection.size_bytes if sizes_known else None
    return ManifestInfo(profile, selection.revision, total_bytes, licenses, trust)
