"""Submit, poll, list, cancel and delete jobs."""

import asyncio
import base64
import time
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from api.context.app_context import AppContext
from api.context.deps import ContextDep, ReaderDep, SessionDep, SubmitterDep
from api.errors.problems import AUTHENTICATED, WITH_DATABASE, problem_responses
from api.jobs.request_body import ParsedSubmission, parse_submission
from api.jobs.responses import JobPage, JobResponse, job_response, new_job_response
from api.jobs.strict_json import storable_text
from api.jobs.submission import submit
from jobs import expiry, previews, service
from jobs.errors import ErrorCode, FieldError, RequestError
from jobs.ids import is_id
from jobs.states import State
from jobs.tables import Job

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

_SUBMIT_CODES = {
    400: [ErrorCode.INVALID_JSON, ErrorCode.INVALID_INPUT],
    403: [ErrorCode.LICENSE_NOT_ACCEPTED],
    413: [ErrorCode.BODY_TOO_LARGE],
    415: [ErrorCode.UNSUPPORTED_MEDIA_TYPE],
    422: [
        ErrorCode.INVALID_INPUT,
        ErrorCode.UNKNOWN_MODEL,
        ErrorCode.INVALID_IDEMPOTENCY_KEY,
        ErrorCode.IDEMPOTENCY_MISMATCH,
        ErrorCode.FILE_NOT_FOUND,
        ErrorCode.URL_NOT_ALLOWED,
        ErrorCode.INPUT_TOO_LARGE,
        ErrorCode.INVALID_DATA_URI,
        ErrorCode.UNSUPPORTED_MEDIA,
        ErrorCode.MEDIA_UNREADABLE,
        ErrorCode.TOO_LARGE,
        ErrorCode.TOO_SMALL,
    ],
    429: [ErrorCode.ACCOUNT_LIMIT],
    503: [ErrorCode.QUEUE_FULL, ErrorCode.STORAGE_UNAVAILABLE],
}
POLL_SECONDS = (0.1, 0.2, 0.3, 0.5)
"""Pauses between the database reads of a waiting request; the last one repeats."""


def _label(text: str) -> str:
    if ":" not in text:
        raise ValueError("must be name:value")
    return storable_text(text)


Text = Annotated[str, AfterValidator(storable_text)]
Label = Annotated[str, AfterValidator(_label)]


class ListQuery(BaseModel):
    """Filters of a list of jobs."""

    model_config = ConfigDict(extra="forbid")

    status: State | None = Field(default=None, description="Only jobs in this state.")
    model: Text | None = Field(default=None, max_length=100, description="Only jobs of this model.")
    label: list[Label] = Field(default=[], description="Only jobs with this label: `name:value`.")
    cursor: str | None = Field(default=None, description="`next_cursor` of the previous page.")
    limit: int = Field(default=50, ge=1, le=200, description="Jobs per page.")


@router.post(
    "",
    status_code=HTTPStatus.ACCEPTED,
    responses=problem_responses(AUTHENTICATED, _SUBMIT_CODES, WITH_DATABASE),
)
def submit_job(
    account: SubmitterDep,
    parsed: Annotated[ParsedSubmission, Depends(parse_submission)],
    context: ContextDep,
    response: Response,
    idempotency_key: Annotated[
        str | None,
        Header(description="Requests with the same key create one job, however often they arrive."),
    ] = None,
) -> JobResponse:
    """Submit a job. After the 202 it is stored on disk and will run."""
    job, replayed = submit(parsed, context, account=account, idempotency_key=idempotency_key)
    body = new_job_response(job, context)
    response.headers["Location"] = body.links["self"]
    response.headers["Retry-After"] = "1"
    if replayed:
        response.headers["Idempotency-Replayed"] = "true"
    return body


@router.get(
    "",
    responses=problem_responses(
        AUTHENTICATED, {422: [ErrorCode.INVALID_INPUT, ErrorCode.INVALID_CURSOR]}, WITH_DATABASE
    ),
)
def list_jobs(
    account: ReaderDep,
    session: SessionDep,
    context: ContextDep,
    query: Annotated[ListQuery, Query()],
) -> JobPage:
    """List your jobs, newest first."""
    rows = service.page(
        session,
        account,
        service.Filter(query.status, query.model, _labels(query.label)),
        before=_decode_cursor(query.cursor),
        limit=query.limit + 1,
    )
    has_next = len(rows) > query.limit
    with_preview = previews.ids_with_preview(session, rows)
    items = [
        JobResponse.of(job, context, preview=job.id in with_preview) for job in rows[: query.limit]
    ]
    return JobPage(items=items, next_cursor=_encode_cursor(items[-1].id) if has_next else None)


@router.get(
    "/{job_id}",
    responses=problem_responses(
        AUTHENTICATED,
        {404: [ErrorCode.JOB_NOT_FOUND], 422: [ErrorCode.INVALID_INPUT]},
        WITH_DATABASE,
    ),
)
async def get_job(
    job_id: str,
    account: ReaderDep,
    context: ContextDep,
    wait: Annotated[
        float,
        Query(
            ge=0,
            allow_inf_nan=False,
            description="Respond when the job has ended, at the latest after these seconds.",
        ),
    ] = 0,
) -> JobResponse:
    """Get a job, or wait for its end. A waiting request holds no thread and no connection."""
    deadline = time.monotonic() + min(wait, context.settings.longest_wait_seconds)
    pauses = iter(POLL_SECONDS)
    while True:
        job = await run_in_threadpool(_find, context, account, job_id)
        pause = min(next(pauses, POLL_SECONDS[-1]), deadline - time.monotonic())
        if State(job.state).final or pause <= 0:
            return await run_in_threadpool(job_response, job, context)
        await asyncio.sleep(pause)


@router.post(
    "/{job_id}/cancel",
    status_code=HTTPStatus.ACCEPTED,
    responses=problem_responses(
        AUTHENTICATED,
        {404: [ErrorCode.JOB_NOT_FOUND], 409: [ErrorCode.JOB_ALREADY_FINAL]},
        WITH_DATABASE,
    ),
)
def cancel_job(
    job_id: str, account: SubmitterDep, session: SessionDep, context: ContextDep
) -> JobResponse:
    """Cancel a job: at once while it is queued, at the next step while it runs."""
    return JobResponse.of(service.cancel(session, account, job_id), context)


@router.delete(
    "/{job_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=problem_responses(
        AUTHENTICATED,
        {
            404: [ErrorCode.JOB_NOT_FOUND],
            409: [ErrorCode.JOB_NOT_FINISHED],
            503: [ErrorCode.STORAGE_UNAVAILABLE],
        },
        WITH_DATABASE,
    ),
)
def delete_job(job_id: str, account: SubmitterDep, context: ContextDep) -> None:
    """Delete a job that has ended, with its result and the files uploaded for it."""
    _delete(job_id, context, account)


def _find(context: AppContext, account: str, job_id: str) -> Job:
    with context.sessions() as session:
        return service.find(session, account, job_id)


def _delete(job_id: str, context: AppContext, account: str) -> None:
    """Delete the objects, then the row: if storage fails, the row stays and DELETE can be retried.

    No session is open while objects are deleted, so the row is read twice. Files that a dead
    attempt stored beside its video are known to object storage alone.
    """
    with context.sessions() as session:
        keys = service.delete(session, account, job_id)  # only for the keys: rolled back
    for key in keys:
        context.storage.delete(key)
    for remaining in list(context.storage.list_objects(expiry.result_prefix(job_id))):
        context.storage.delete(remaining.key)
    with context.sessions.begin() as session:
        service.delete(session, account, job_id)


def _labels(pairs: list[str]) -> dict[str, str]:
    return {name: value for name, _, value in (pair.partition(":") for pair in pairs)}


def _encode_cursor(job_id: str) -> str:
    return base64.urlsafe_b64encode(job_id.encode()).decode().rstrip("=")


def _decode_cursor(cursor: str | None) -> str | None:
    if cursor is None:
        return None
    try:
        job_id = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True).decode()
    except ValueError:
        job_id = ""
    if not is_id(job_id, "job"):
        detail = "This cursor is not from a page of this list. Start again without one."
        error = FieldError("/query/cursor", detail)
        raise RequestError(ErrorCode.INVALID_CURSOR, detail, errors=(error,))
    return job_id
