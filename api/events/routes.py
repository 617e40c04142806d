"""The streams of the changes of one job, and of all jobs of an account."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from api.context.deps import ContextDep, ReaderDep
from api.errors.problems import AUTHENTICATED, WITH_DATABASE, problem_responses
from api.events.account_stream import AccountStream, JobFilter
from api.events.job_stream import JobStream
from api.events.responses import STREAM_LIMITS, EventStream
from api.jobs.filters import Labels, labels_of
from api.routers import contract_router
from jobs.errors import ErrorCode
from jobs.states import State

router = contract_router(prefix="/v1", tags=["jobs"])

_JOB_EVENTS = ("job", "status", "queue", "progress", "preview", "done")
MAX_ID_LENGTH = 100


def _stream(description: str, *events: str) -> dict[str, Any]:
    """A stream of these events, as OpenAPI 3.2 describes server-sent events."""
    event = {
        "type": "object",
        "properties": {
            "event": {"enum": events},
            "data": {"type": "string", "description": "JSON: the job, or the part that changed."},
            "id": {"type": "string", "description": "For `Last-Event-ID`."},
            "retry": {"type": "integer", "minimum": 0},
        },
    }
    return {"description": description, "content": {"text/event-stream": {"schema": event}}}


_OF_JOB: dict[int | str, dict[str, Any]] = {
    200: _stream(
        "Events until the job has ended: `job` (the whole job, first), `status`, `queue`, "
        "`progress`, `preview`, and `done` (the whole job, last).",
        *_JOB_EVENTS,
    ),
    204: {"description": "The job has ended, and `Last-Event-ID` is its last event."},
}
_OF_ACCOUNT: dict[int | str, dict[str, Any]] = {
    200: _stream(
        "Events of all jobs that fit: first `job` for each live one, then `ready`. After that "
        "`job` for a new one, its changes as in the stream of one job, `done` at its end, and "
        "`deleted`. All but `job` and `done` name the job in `job_id`.",
        "ready",
        "deleted",
        *_JOB_EVENTS,
    ),
}
LastEventId = Annotated[
    str | None,
    Header(max_length=MAX_ID_LENGTH, description="The id of the last event that you have got."),
]
_RESUME_FROM = "The same, for clients that cannot set the header."


class EventsQuery(BaseModel):
    """Which jobs a stream is about."""

    model_config = ConfigDict(extra="forbid")

    status: State | None = Field(
        default=None,
        description="Only jobs in this state. One that leaves it is sent a last time.",
    )
    label: Labels = []
    last_event_id: str | None = Field(
        default=None, max_length=MAX_ID_LENGTH, description=_RESUME_FROM
    )


@router.get(
    "/jobs/{job_id}/events",
    response_class=Response,
    responses=_OF_JOB
    | problem_responses(
        AUTHENTICATED, {404: [ErrorCode.JOB_NOT_FOUND]}, STREAM_LIMITS, WITH_DATABASE
    ),
)
async def stream_job(
    job_id: str,
    account: ReaderDep,
    context: ContextDep,
    last_event_id: LastEventId = None,
    resume_from: Annotated[
        str | None,
        Query(alias="last_event_id", max_length=MAX_ID_LENGTH, description=_RESUME_FROM),
    ] = None,
) -> Response:
    """Follow a job: server-sent events (SSE), which browsers read with `EventSource`."""
    job = await context.statements.find_job(account, job_id)
    seen = last_event_id or resume_from
    if job.final and seen:
        version = (await context.statements.find_versions([job_id])).jobs.get(job_id)
        if version is None or version.text == seen:
            return Response(status_code=HTTPStatus.NO_CONTENT)
    events = JobStream(context, account, job_id).events(seen)
    return EventStream(events, context.streams, account)


@router.get(
    "/events",
    response_class=Response,
    responses=_OF_ACCOUNT | problem_responses(AUTHENTICATED, STREAM_LIMITS, WITH_DATABASE),
)
async def stream_jobs(
    account: ReaderDep,
    context: ContextDep,
    query: Annotated[EventsQuery, Query()],
    last_event_id: LastEventId = None,
) -> Response:
    """Follow all your jobs, also those that are submitted later: server-sent events (SSE).

    With `Last-Event-ID` the stream begins with the live jobs again, and with the ends since then.
    """
    stream = AccountStream(context, account, JobFilter(labels_of(query.label), query.status))
    seen = last_event_id or query.last_event_id
    return EventStream(stream.events(seen), context.streams, account)
