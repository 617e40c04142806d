"""Weights of a model: what its manifest says about them, and their state over the fleet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.models.manifests import manifest_info
from api.models.responses import WeightsResponse, WeightsSummary, WorkerWeightsStatus
from jobs.fleet.worker_registry import WeightsState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.fleet.worker_registry import WeightsStatus
    from models.spec import Card

WEIGHTS_STATE_ORDER = (
    WeightsState.ABSENT,
    WeightsState.FAILED,
    WeightsState.DOWNLOADING,
    WeightsState.ON_DISK,
    WeightsState.LOADING,
    WeightsState.LOADED,
)
"""From furthest behind to furthest ahead. A fleet has the state of its furthest worker."""


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
