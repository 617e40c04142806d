"""Health checks: whether the process runs, and whether it can accept jobs."""

from http import HTTPStatus

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from api.context.app_context import AppContext
from api.context.deps import ContextDep
from jobs.queue.broker import BrokerUnavailable

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """Whether the server can do its work."""

    status: str = Field(examples=["ok", "degraded", "unavailable"])
    database: str = Field(default="ok", examples=["ok", "unavailable"])
    broker: str = Field(default="ok", examples=["ok", "unavailable"])


@router.get("/livez", response_model_exclude_unset=True)
def livez() -> Health:
    """Check that the process responds."""
    return Health(status="ok")


@router.get("/readyz", responses={503: {"model": Health, "description": "No job can be accepted."}})
def readyz(context: ContextDep, response: Response) -> Health:
    """Check that the database responds.

    A broker that is down or full makes it `degraded`, still 200: jobs are accepted and wait.
    """
    health = Health(status="ok", database=_database(context), broker=_broker(context))
    if health.database != "ok":
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        return health.model_copy(update={"status": "unavailable"})
    if health.broker != "ok":
        return health.model_copy(update={"status": "degraded"})
    return health


def _database(context: AppContext) -> str:
    try:
        with context.engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except SQLAlchemyError:
        return "unavailable"
    return "ok"


def _broker(context: AppContext) -> str:
    try:
        context.broker.check()
    except BrokerUnavailable:
        return "unavailable"
    return "ok"
