"""Is the process alive, and can it take a job?"""

from http import HTTPStatus

from fastapi import APIRouter, Response
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from api.context import Shop
from api.deps import ShopDep
from api.responses import Health
from jobs.queue.broker import BrokerUnavailable

router = APIRouter(tags=["health"])


@router.get("/livez", response_model_exclude_unset=True)
def livez() -> Health:
    """The process answers."""
    return Health(status="ok")


@router.get("/readyz", responses={503: {"model": Health, "description": "No job can be taken."}})
def readyz(shop: ShopDep, response: Response) -> Health:
    """The database answers. A broker that is away or full only delays jobs: degraded, ready."""
    health = Health(status="ok", database=_database(shop), broker=_broker(shop))
    if health.database != "ok":
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        return health.model_copy(update={"status": "unavailable"})
    if health.broker != "ok":
        return health.model_copy(update={"status": "degraded"})
    return health


def _database(shop: Shop) -> str:
    try:
        with shop.engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except SQLAlchemyError:
        return "unavailable"
    return "ok"


def _broker(shop: Shop) -> str:
    try:
        shop.broker.check()
    except BrokerUnavailable:
        return "unavailable"
    return "ok"
