"""State of the fleet, read from the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from api.fleet.responses import WorkerList, WorkerResponse
from jobs.fleet.worker_registry import LIVENESS_WINDOW, MAX_WORKERS
from jobs.tables import Worker

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def list_workers(session: Session) -> WorkerList:
    """All registered workers with what their last heartbeat reported."""
    alive = Worker.seen_at > func.now() - LIVENESS_WINDOW
    rows = session.execute(select(Worker, alive).order_by(Worker.name).limit(MAX_WORKERS))
    return WorkerList(items=[WorkerResponse.of(row, alive=alive) for row, alive in rows])
