"""How far the fleet is with a model that no worker has ready yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, and_, func, or_, select

from jobs.fleet.worker_registry import LIVENESS_WINDOW, WeightsState, WeightsStatus
from jobs.states import Phase
from jobs.tables import Worker

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_AHEAD_OF_JOBS = (
    WeightsState.DOWNLOADING,
    WeightsState.ON_DISK,
    WeightsState.LOADING,
    WeightsState.LOADED,
)


@dataclass(frozen=True)
class WarmupStatus:
    """What a worker does before it can take the first job of a model."""

    phase: Phase
    """`downloading_weights`, or `loading_model`."""
    done_bytes: int
    total_bytes: int
    """0 while nobody knows."""

    @property
    def percent(self) -> float | None:
        """None while nobody knows."""
        return percent(self.done_bytes, self.total_bytes)


def percent(done_bytes: int, total_bytes: int) -> float | None:
    """A share as callers see it. None: the total is unknown."""
    return round(100 * min(done_bytes, total_bytes) / total_bytes, 1) if total_bytes else None


def furthest_warmup(session: Session, model: str) -> WarmupStatus | None:
    """The worker that is furthest with a model. None: one is ready, or none is at it.

    One look at the roster, in which one row decides.
    """
    stock = Worker.weights[model]
    state = stock["state"].astext
    ready = or_(
        state == WeightsState.LOADED,
        and_(state == WeightsState.ON_DISK, Worker.models.contains([model])),
    )
    furthest = session.execute(
        select(stock, ready)
        .where(
            Worker.seen_at > func.now() - LIVENESS_WINDOW,
            Worker.draining_until.is_(None),
            state.in_(_AHEAD_OF_JOBS),
        )
        .order_by(
            ready.desc(),
            (state == WeightsState.DOWNLOADING),
            stock["done_bytes"].astext.cast(BigInteger).desc(),
        )
        .limit(1)
    ).one_or_none()
    if furthest is None or furthest[1]:
        return None
    return _seen_by_callers(WeightsStatus.model_validate(furthest[0]))


def _seen_by_callers(weights: WeightsStatus) -> WarmupStatus:
    if weights.state is WeightsState.DOWNLOADING:
        return WarmupStatus(Phase.DOWNLOADING_WEIGHTS, weights.done_bytes, weights.total_bytes)
    read = weights.done_bytes if weights.state is WeightsState.LOADING else 0
    return WarmupStatus(Phase.LOADING_MODEL, read, weights.total_bytes)
