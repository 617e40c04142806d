"""Health checks: whether the process runs, and whether it can accept jobs."""

from http import HTTPStatus

import psycopg
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from api.context.app_context import AppContext
from api.context.deps import ContextDep
from api.direct_route import DirectRoute
from jobs.queue.broker import BrokerUnavailable

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """Whether the server can do its work."""

    status: str = Field(examples=["ok", "degraded", "unavailable"])
    database: str = Field(default="ok", examples=["ok", "unavailable"])
    broker: str = Field(default="ok", examples=["ok", "unavailable"])


@router.get("/livez", response_model=Health)
async def livez(_: Request) -> Response:
    """Check that the process responds."""
    return Response(b'{"status":"ok"}', media_type="application/json")


DIRECT = (DirectRoute("GET", "/livez", livez),)


@router.get("/readyz", responses={503: {"model": Health, "description": "No job can be accepted."}})
async def readyz(context: ContextDep, response: Response) -> Health:
    """Check that the database responds.

    A broker that is down or full makes it `degraded`, still 200: jobs are accepted and wait.
    """
    health = Health(status="ok", database=await _database(context))
    health.broker = await run_in_threadpool(_broker, context)
    if health.database != "ok":
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        return health.model_copy(update={"status": "unavailable"})
    if health.broker != "ok":
        return health.model_copy(update={"status": "degraded"})
    return health


async def _database(context: AppContext) -> str:
    try:
        await context.statements.check()
    except psycopg.OperationalError:
        return "unavailable"
    return "ok"


def _broker(context: AppContext) -> str:
    try:
        context.broker.check()
    except BrokerUnavailable:
        return "unavailable"
    return "ok"
