"""Health checks: whether the process runs, and whether it can accept jobs."""

import asyncio
from http import HTTPStatus

import psycopg
from fastapi import Request, Response
from psycopg.errors import InsufficientPrivilege, ReadOnlySqlTransaction
from pydantic import BaseModel, Field

from api.context.app_context import AppContext
from api.context.calls import PROBE_SECONDS
from api.context.deps import ContextDep
from api.direct_route import DirectRoute
from api.routers import other_router
from jobs.maintenance_beats import is_silent, silence
from migrations.revisions import AHEAD, BEHIND, FORBIDDEN, is_ahead, is_behind
from runtime.async_database import within_timeout
from runtime.files import is_full, try_write

router = other_router(tags=["health"])

READ_ONLY = "The database is read-only: name the primary server in DATABASE_URL."


class Health(BaseModel):
    """Whether the server can do its work."""

    status: str = Field(examples=["ok", "degraded", "unavailable"])
    database: str = Field(default="ok", examples=["ok", "unavailable"])
    broker: str = Field(default="ok", examples=["ok", "unavailable"])
    migrations: str = Field(
        default="ok",
        description="`behind`: run `kinomill migrate`. `ahead`: a later release migrated it.",
        examples=["ok", "behind", "ahead"],
    )
    maintenance: str = Field(
        default="ok",
        description="`silent`: no beat for 30 s, so lost jobs, webhooks and expiry wait.",
        examples=["ok", "silent"],
    )
    scratch: str = Field(
        default="ok",
        description="`unwritable`, `full`: files in requests are refused; `KINOMILL_SCRATCH`.",
        examples=["ok", "unwritable", "full"],
    )
    detail: str | None = Field(default=None, description="What to do about it.")


@router.get("/livez", response_model=Health)
@router.get("/health", response_model=Health, include_in_schema=False)
async def livez(_: Request) -> Response:
    """Check that the process responds."""
    return Response(b'{"status":"ok"}', media_type="application/json")


DIRECT = (DirectRoute("GET", "/livez", livez),)


@router.get("/startup", include_in_schema=False)
@router.get("/startupz", include_in_schema=False)
@router.get("/readyz", responses={503: {"model": Health, "description": "No job can be accepted."}})
async def readyz(context: ContextDep, response: Response) -> Health:
    """Check that the database responds and has the tables of this release.

    A broker that is down or full, maintenance that is silent, a scratch folder that cannot be
    written, or a database that a later release has migrated make it `degraded`, still 200: jobs
    are accepted and wait.
    """
    health, broker_answers = await asyncio.gather(_database(context), context.broker_answers())
    health.broker = "ok" if broker_answers else "unavailable"
    if context.uses_scratch:
        await _check_scratch(context, health)
    if health.database != "ok" or health.migrations == "behind":
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        health.status = "unavailable"
    elif health.detail is not None or health.broker != "ok":
        health.status = "degraded"
    return health


async def _database(context: AppContext) -> Health:
    try:
        async with within_timeout(PROBE_SECONDS):
            state = await context.statements.database_state()
    except InsufficientPrivilege:
        return Health(status="ok", database="unavailable", detail=_sentence(FORBIDDEN))
    except psycopg.OperationalError as error:
        detail = READ_ONLY if isinstance(error.__cause__, ReadOnlySqlTransaction) else None
        return Health(status="ok", database="unavailable", detail=detail)
    if is_behind(state.revision):
        return Health(status="ok", migrations="behind", detail=_sentence(BEHIND))
    health = Health(status="ok")
    if is_silent(state.silent_seconds):
        health.maintenance = "silent"
        health.detail = silence(state.silent_seconds)
    if is_ahead(state.revision):
        health.migrations = "ahead"
        health.detail = _sentence(AHEAD)
    return health


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


async def _check_scratch(context: AppContext, health: Health) -> None:
    """Note whether temporary files can be written."""
    try:
        await context.scratch_calls.run(lambda: try_write(context.scratch_path()))
    except OSError as error:  # also TimeoutError
        health.scratch = "full" if is_full(error) else "unwritable"
        reason = error.strerror or str(error) or "no answer"
        sentence = (
            f"The API cannot write temporary files in KINOMILL_SCRATCH ({reason}): it refuses "
            "files in requests. Free space, or give it a folder that it may write."
        )
        health.detail = " ".join(filter(None, [health.detail, sentence]))
