"""Pause, resume and purge queues, run failed jobs again, drain workers, refuse submissions."""

import time
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Path
from pydantic import AfterValidator
from sqlalchemy.orm import Session

from accounts import audit
from api.context.auth import Principal
from api.context.deps import ContextDep, OperatorDep
from api.errors.problems import AUTHENTICATED, JSON_BODY, WITH_DATABASE, Codes, problem_responses
from api.jobs.strict_json import storable_text
from api.operator.responses import (
    DrainedState,
    Filtering,
    Maintaining,
    MaintenanceState,
    PausedState,
    Pausing,
    Purged,
    Requeued,
    Requeueing,
)
from api.routers import contract_router
from jobs.control import pauses
from jobs.control.purge import BATCH, purge
from jobs.control.requeue import BATCH as REQUEUE_BATCH
from jobs.control.requeue import FailedJobs, requeue
from jobs.errors import ErrorCode, RequestError
from jobs.fleet import worker_registry
from jobs.ids import lowest_job_id
from models.spec import Card

router = contract_router(prefix="/v1", tags=["operator"])

ROUNDS = 10
"""Transactions of one request that cancels or creates many jobs."""
Model = Annotated[str, Path(description="Name of the model.", max_length=100)]
Name = Annotated[
    str,
    Path(description="Name of the worker.", max_length=200, examples=["kinomill@host-gpu0-5e0c"]),
    AfterValidator(storable_text),
]
_OF_QUEUES: Codes = {404: [ErrorCode.UNKNOWN_MODEL]}
_OF_WORKERS: Codes = {404: [ErrorCode.WORKER_NOT_FOUND]}


def responses(*codes: Codes) -> dict[int | str, dict[str, Any]]:
    """The problem responses of an operator's route."""
    return problem_responses(AUTHENTICATED, *codes, WITH_DATABASE)


@router.post("/queues/{model}/pause", responses=responses(_OF_QUEUES, JSON_BODY))
async def pause_queue(
    model: Model, caller: OperatorDep, context: ContextDep, body: Pausing | None = None
) -> PausedState:
    """Let no job of a model begin. Running jobs go on, and new ones are accepted and wait."""
    card = context.models.get_or_404(model)
    return await context.database_calls.run(_pause, caller, card.name, (body or Pausing()).reason)


@router.post("/queues/{model}/resume", responses=responses(_OF_QUEUES))
async def resume_queue(model: Model, caller: OperatorDep, context: ContextDep) -> PausedState:
    """Let the jobs of a model begin again: workers are woken within a second."""
    card = context.models.get_or_404(model)
    return await context.database_calls.run(_resume, caller, card.name)


@router.post("/queues/{model}/purge", responses=responses(_OF_QUEUES, JSON_BODY))
async def purge_queue(
    model: Model, caller: OperatorDep, context: ContextDep, body: Filtering | None = None
) -> Purged:
    """Cancel the waiting jobs of a model, with their webhooks. Running jobs go on.

    One request cancels up to 5,000 jobs; `more` says whether to send it again.
    """
    card = context.models.get_or_404(model)
    account = (body or Filtering()).account
    before, canceled, more = lowest_job_id(time.time() + 1), 0, True
    for _ in range(ROUNDS):
        count = await context.database_calls.run(_purge, caller, card, before, account)
        canceled, more = canceled + count, count == BATCH
        if not more:
            break
    return Purged(canceled=canceled, more=more)


@router.post("/queues/{model}/requeue", responses=responses(_OF_QUEUES, JSON_BODY))
async def requeue_failed(
    model: Model, caller: OperatorDep, context: ContextDep, body: Requeueing
) -> Requeued:
    """Run failed jobs of a model again: each gets one new job with the same input.

    One request creates up to 2,000 jobs; `more` says whether to send it again. Left out are jobs
    that were run again before, and those whose inputs have expired.
    """
    card = context.models.get_or_404(model)
    failed = FailedJobs(
        model=card.name,
        since=body.since,
        until=body.until or datetime.now(UTC),
        code=body.code,
        account=body.account,
    )
    created: list[str] = []
    more = True
    for _ in range(ROUNDS):
        ids = await context.database_calls.run(_requeue, caller, failed)
        created, more = created + ids, len(ids) == REQUEUE_BATCH
        if not more:
            break
    return Requeued(created=created, more=more)


@router.post("/workers/{name}/drain", responses=responses(_OF_WORKERS))
async def drain_worker(name: Name, caller: OperatorDep, context: ContextDep) -> DrainedState:
    """Let a worker take no job from now on; it finishes its own, and goes on running."""
    return await context.database_calls.run(_drain, caller, name)


@router.post("/workers/{name}/resume", responses=responses(_OF_WORKERS))
async def resume_worker(name: Name, caller: OperatorDep, context: ContextDep) -> DrainedState:
    """Let a drained worker take jobs again, from its next heartbeat."""
    return await context.database_calls.run(_resume_worker, caller, name)


@router.get("/maintenance", responses=responses())
async def get_maintenance(_: OperatorDep, context: ContextDep) -> MaintenanceState:
    """Get whether submissions are refused."""
    return MaintenanceState.of(await context.database_calls.run(pauses.maintenance))


@router.put("/maintenance", responses=responses(JSON_BODY))
async def start_maintenance(
    caller: OperatorDep, context: ContextDep, body: Maintaining | None = None
) -> MaintenanceState:
    """Refuse submissions (503 with Retry-After); reads and workers go on."""
    return await context.database_calls.run(_start_maintenance, caller, body or Maintaining())


@router.delete("/maintenance", responses=responses())
async def end_maintenance(caller: OperatorDep, context: ContextDep) -> MaintenanceState:
    """Accept submissions again."""
    return await context.database_calls.run(_end_maintenance, caller)


def _pause(session: Session, caller: Principal, model: str, reason: str) -> PausedState:
    row = pauses.pause(session, model, reason=reason)
    audit.record(session, caller.actor, "queue.pause", model, reason=reason)
    return PausedState.of(model, row)


def _resume(session: Session, caller: Principal, model: str) -> PausedState:
    if pauses.resume(session, model):
        audit.record(session, caller.actor, "queue.resume", model)
    return PausedState.of(model, None)


def _purge(
    session: Session, caller: Principal, card: Card, before: str, account: str | None
) -> int:
    canceled = purge(session, card.name, card.queue, before=before, account=account)
    if canceled:
        details = {"canceled": len(canceled), "account": account}
        audit.record(session, caller.actor, "queue.purge", card.name, **details)
    return len(canceled)


def _requeue(session: Session, caller: Principal, failed: FailedJobs) -> list[str]:
    created = requeue(session, failed)
    if created:
        details = {"created": len(created), "code": failed.code, "account": failed.account}
        audit.record(session, caller.actor, "queue.requeue", failed.model, **details)
    return created


def _drain(session: Session, caller: Principal, name: str) -> DrainedState:
    return _set_drained(session, caller, name, drained=True)


def _resume_worker(session: Session, caller: Principal, name: str) -> DrainedState:
    return _set_drained(session, caller, name, drained=False)


def _set_drained(session: Session, caller: Principal, name: str, *, drained: bool) -> DrainedState:
    row = worker_registry.set_drained(session, name, drained=drained)
    if row is None:
        detail = "No worker has this name; GET /v1/workers lists those that are registered."
        raise RequestError(ErrorCode.WORKER_NOT_FOUND, detail)
    audit.record(session, caller.actor, "worker.drain" if drained else "worker.resume", name)
    return DrainedState.of(row)


def _start_maintenance(session: Session, caller: Principal, body: Maintaining) -> MaintenanceState:
    row = pauses.start_maintenance(session, **body.model_dump())
    audit.record(session, caller.actor, "maintenance.start", "submissions", **body.model_dump())
    return MaintenanceState.of(row)


def _end_maintenance(session: Session, caller: Principal) -> MaintenanceState:
    if pauses.end_maintenance(session):
        audit.record(session, caller.actor, "maintenance.end", "submissions")
    return MaintenanceState.of(None)
