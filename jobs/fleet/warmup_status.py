"""Warm-up of a model that no worker has loaded yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, and_, func, or_, select

from jobs.fleet.worker_registry import LIVENESS_WINDOW, WeightsState, WeightsStatus
from jobs.states import Phase
from jobs.tables import Worker

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_CAN_SERVE = (
    WeightsState.DOWNLOADING,
    WeightsState.ON_DISK,
    WeightsState.LOADING,
    WeightsState.LOADED,
)


@dataclass(frozen=True)
class WarmupStatus:
    """What a worker is doing before it can run the first job of a model."""

    phase: Phase
    """`downloading_weights`, or `loading_model`."""
    done_bytes: int
    total_bytes: int
    """0 if unknown."""

    @property
    def percent(self) -> float | None:
        """None if the total is unknown."""
        return percent(self.done_bytes, self.total_bytes)


def percent(done_bytes: int, total_bytes: int) -> float | None:
    """Percentage with one decimal. None if the total is unknown."""
    return round(100 * min(done_bytes, total_bytes) / total_bytes, 1) if total_bytes else None


def furthest_warmup(session: Session, model: str) -> WarmupStatus | None:
    """The warm-up of the worker that is furthest with a model.

    None: a worker is ready, or none is preparing the model. A single query for one row.
    """
    status = Worker.weights[model]
    state = status["state"].astext
    ready = or_(
        state == WeightsState.LOADED,
        and_(state == WeightsState.ON_DISK, Worker.models.contains([model])),
    )
    furthest = session.execute(
        select(status, ready)
        .where(
            Worker.seen_at > func.now() - LIVENESS_WINDOW,
            Worker.draining_until.is_(None),
            state.in_(_CAN_SERVE),
        )
        .order_by(
            ready.desc(),
            (state == WeightsState.DOWNLOADING),
            status["done_bytes"].astext.cast(BigInteger).desc(),
        )
        .limit(1)
    ).one_or_none()
    if furthest is None or furthest[1]:
        return None
    return _warmup_status(WeightsStatus.model_validate(furthest[0]))


def _warmup_status(weights: WeightsStatus) -> WarmupStatus:
    if weights.state is WeightsState.DOWNLOADING:
        return WarmupStatus(Phase.DOWNLOADING_WEIGHTS, weights.done_bytes, weights.total_bytes)
    done_bytes = weights.done_bytes if weights.state is WeightsState.LOADING else 0
    return WarmupStatus(Phase.LOADING_MODEL, done_bytes, weights.total_bytes)
