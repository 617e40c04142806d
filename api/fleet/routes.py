"""List workers and queues."""

from fastapi import APIRouter

from api.context.deps import ContextDep, ReaderDep, SessionDep
from api.errors.problems import AUTHENTICATED, WITH_DATABASE, problem_responses
from api.fleet import status
from api.fleet.responses import QueueList, WorkerList

router = APIRouter(prefix="/v1", tags=["fleet"])


@router.get("/workers", responses=problem_responses(AUTHENTICATED, WITH_DATABASE))
def list_workers(_: ReaderDep, session: SessionDep) -> WorkerList:
    """List all registered workers, including draining and silent ones."""
    return status.list_workers(session)


@router.get("/queues", responses=problem_responses(AUTHENTICATED, WITH_DATABASE))
def list_queues(_: ReaderDep, session: SessionDep, context: ContextDep) -> QueueList:
    """List each model's queue: its length and the estimated wait of a new job."""
    cards = context.models.cards.values()
    return QueueList(items=[status.queue_status(session, card) for card in cards])
