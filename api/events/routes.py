"""The stream of a job's changes."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response

from api.context.deps import ContextDep, ReaderDep
from api.errors.problems import AUTHENTICATED, WITH_DATABASE, problem_responses
from api.events.job_stream import JobStream
from api.events.responses import EventStream
from jobs.errors import ErrorCode

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

_EVENT = {
    "type": "object",
    "properties": {
        "event": {"enum": ["job", "status", "queue", "progress", "preview", "done"]},
        "data": {"type": "string", "description": "JSON: the job, or the part that changed."},
        "id": {"type": "string", "description": "The version of the job, for `Last-Event-ID`."},
        "retry": {"type": "integer", "minimum": 0},
    },
}
"""One event, as OpenAPI 3.2 describes server-sent events."""
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events until the job has ended: `job` (the whole job, first), `status`, "
        "`queue`, `progress`, `preview`, and `done` (the whole job, last).",
        "content": {"text/event-stream": {"schema": _EVENT}},
    },
    204: {"description": "The job has ended, and `Last-Event-ID` is its last event."},
}
LastEventId = Annotated[
    str | None,
    Header(max_length=100, description="The id of the last event that you have got."),
]


@router.get(
    "/{job_id}/events",
    response_class=Response,
    responses=_STREAM
    | problem_responses(
        AUTHENTICATED,
        {404: [ErrorCode.JOB_NOT_FOUND], 429: [ErrorCode.TOO_MANY_STREAMS]},
        WITH_DATABASE,
    ),
)
async def stream_job(
    job_id: str,
    account: ReaderDep,
    context: ContextDep,
    last_event_id: LastEventId = None,
    resume_from: Annotated[
        str | None,
        Query(
            alias="last_event_id",
            max_length=100,
            description="The same, for clients that cannot set the header.",
        ),
    ] = None,
) -> Response:
    """Follow a job: server-sent events (SSE), which browsers read with `EventSource`."""
    job = await context.statements.find_job(account, job_id)
    seen = last_event_id or resume_from
    if job.final and seen:
        version = (await context.statements.find_versions([job_id])).get(job_id)
        if version is None or version.text == seen:
            return Response(status_code=HTTPStatus.NO_CONTENT)
    events = JobStream(context, account, job_id).events(seen)
    return EventStream(events, context.streams, account)
