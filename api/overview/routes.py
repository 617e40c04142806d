"""Get what `kinomill top` shows."""

from sqlalchemy.orm import Session

from api.context.deps import ContextDep, OperatorDep
from api.errors.problems import AUTHENTICATED, WITH_DATABASE, problem_responses
from api.routers import contract_router
from jobs.overview.alerts import alerts
from jobs.overview.overview import Overview
from jobs.overview.read import read_overview
from jobs.queue.admission import Limits

router = contract_router(prefix="/v1", tags=["operator"])


@router.get("/overview", responses=problem_responses(AUTHENTICATED, WITH_DATABASE))
async def get_overview(_: OperatorDep, context: ContextDep) -> Overview:
    """Get queues, workers, running jobs of all accounts, failures of the last hour, webhooks.

    `alerts` says what is wrong, and what to do. Lists have 200 rows at most.
    """
    overview = await context.database_calls.run(_read, context.limits)
    overview.broker = "ok" if await context.broker_answers() else "unavailable"
    overview.alerts = alerts(overview)
    return overview


def _read(session: Session, limits: Limits) -> Overview:
    return read_overview(session, limits)
