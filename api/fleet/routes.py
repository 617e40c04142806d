"""List workers and queues."""

from api.context.deps import ContextDep, ReaderDep
from api.errors.problems import AUTHENTICATED, WITH_DATABASE, problem_responses
from api.fleet import status
from api.fleet.responses import QueueList, QueueResponse, WorkerList
from api.routers import contract_router

router = contract_router(prefix="/v1", tags=["fleet"])


@router.get("/workers", responses=problem_responses(AUTHENTICATED, WITH_DATABASE))
async def list_workers(_: ReaderDep, context: ContextDep) -> WorkerList:
    """List all registered workers, including draining and silent ones."""
    return await context.database_calls.run(status.list_workers)


@router.get("/queues", responses=problem_responses(AUTHENTICATED, WITH_DATABASE))
async def list_queues(_: ReaderDep, context: ContextDep) -> QueueList:
    """List each model's queue: its length and the estimated wait of a new job, to the second."""
    states = await context.queues.get()
    cards = context.models.cards.values()
    return QueueList(items=[QueueResponse.of(card, states[card.name]) for card in cards])
