"""Which workers there are, and how long the lines are before them."""

from fastapi import APIRouter

from api.deps import ReaderDep, SessionDep, ShopDep
from api.errors.problems import problem_responses
from api.fleet import status

router = APIRouter(prefix="/v1", tags=["fleet"])


@router.get("/workers", responses=problem_responses(401, 403, 503))
def list_workers(_: ReaderDep, session: SessionDep) -> status.WorkerList:
    """List the workers that are there, also those that were told to stop."""
    return status.workers(session)


@router.get("/queues", responses=problem_responses(401, 403, 503))
def list_queues(_: ReaderDep, session: SessionDep, shop: ShopDep) -> status.QueueList:
    """List how many jobs wait for each model, and how long a new one would."""
    lines = [status.line(session, card) for card in shop.offer.cards.values()]
    return status.QueueList(items=lines)
