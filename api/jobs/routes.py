"""Submit, poll, list, cancel and delete jobs."""

import base64
from contextlib import suppress
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from accounts import audit
from api.bodies.staging import Staging
from api.context.app_context import AppContext
from api.context.auth import Principal
from api.context.deps import (
    READING,
    SUBMITTER,
    ContextDep,
    ReadingDep,
    SubmittingDep,
    authenticated,
    context_of,
)
from api.direct_route import DirectRoute
from api.errors.problems import (
    AUTHENTICATED,
    STORAGE,
    WITH_DATABASE,
    problem_responses,
    quota_headers,
)
from api.errors.validation import invalid_cursor
from api.etags import etag_of, is_known
from api.jobs.estimates.dry_run import estimate
from api.jobs.estimates.query import DRY_RUN, dry_run_asked
from api.jobs.estimates.responses import EstimateResponse
from api.jobs.filters import AccountFilter, Labels, Text, labels_of, listed_account
from api.jobs.request_body import read_submission
from api.jobs.responses import JobPage, JobResponse, job_response
from api.jobs.submission import MAX_KEY_LENGTH, submit
from api.jobs.waiting import (
    PREFER,
    preference_applied,
    wait_for_end,
    wait_parameter,
    wait_seconds,
)
from api.routers import contract_router
from jobs import expiry, previews, service
from jobs.errors import ErrorCode
from jobs.ids import is_id
from jobs.rows import JobRow
from jobs.states import State
from jobs.tables import Job
from storage.base import StorageError

router = contract_router(prefix="/v1/jobs", tags=["jobs"])

SUBMIT_CODES = {
    400: [ErrorCode.INVALID_JSON, ErrorCode.INVALID_INPUT],
    403: [ErrorCode.LICENSE_NOT_ACCEPTED],
    408: [ErrorCode.REQUEST_TIMEOUT],
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
    429: [
        ErrorCode.ACCOUNT_LIMIT,
        ErrorCode.JOBS_PER_DAY,
        ErrorCode.GPU_SECONDS_PER_DAY,
        ErrorCode.STORED_BYTES,
        ErrorCode.SUBMISSIONS_PER_MINUTE,
    ],
    503: [
        ErrorCode.QUEUE_FULL,
        ErrorCode.MAINTENANCE_MODE,
        ErrorCode.TOO_MANY_UPLOADS,
        *STORAGE[503],
    ],
    507: STORAGE[507],
}


IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY_LENGTH},
    "description": "Requests with the same key create one job, however often they arrive.",
}
_UNCHANGED: dict[int | str, dict[str, Any]] = {
    304: {"description": "The job has not changed since the one named in If-None-Match."}
}
IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "ETag of the job that you have.",
}
JOB_ID = {"name": "job_id", "in": "path", "required": True, "schema": {"type": "string"}}


class ListQuery(BaseModel):
    """Filters of a list of jobs."""

    model_config = ConfigDict(extra="forbid")

    status: State | None = Field(default=None, description="Only jobs in this state.")
    model: Text | None = Field(default=None, max_length=100, description="Only jobs of this model.")
    account: AccountFilter = None
    label: Labels = []
    cursor: str | None = Field(default=None, description="`next_cursor` of the previous page.")
    limit: int = Field(default=50, ge=1, le=200, description="Jobs per page.")


@router.post(
    "",
    status_code=HTTPStatus.ACCEPTED,
    response_model=JobResponse,
    responses={
        HTTPStatus.OK: {
            "description": "The job has ended while the request waited (`?wait=`), or the estimate "
            "of a dry run (`?dry_run=true`)",
            "model": JobResponse | EstimateResponse,
        },
        HTTPStatus.NO_CONTENT: {"description": "A check (`dry_run` in the body) that has passed"},
        **problem_responses(AUTHENTICATED, SUBMIT_CODES, WITH_DATABASE),
    },
    openapi_extra=authenticated(IDEMPOTENCY_KEY, wait_parameter(), PREFER, DRY_RUN),
)
async def submit_job(request: Request) -> Response:
    """Submit a job. After the 202 it is stored on disk and will run. With `?wait=`: 200 at its end.

    A replay by Idempotency-Key waits the same way. With `?dry_run=true` nothing is stored: the
    answer is an estimate of what the job would take, or the error that it would get.
    """
    account = await SUBMITTER(request)
    context = context_of(request)
    if dry_run_asked(request):
        estimated = await _estimate(request, context, account)
        return Response(estimated.model_dump_json(), media_type="application/json")
    seconds = wait_seconds(request)
    submitted = await _submit(request, context, account)
    if submitted is None:
        return Response(status_code=HTTPStatus.NO_CONTENT)
    job, replayed = submitted
    headers = submission_headers(job, context, replayed=replayed)
    headers |= preference_applied(request, seconds)
    if seconds:
        job = await wait_for_end(context, account, job.id, seconds, request)
        if job.final:
            return _json(job, context, headers=headers)
    return accepted(job, context, headers)


async def _submit(
    request: Request, context: AppContext, account: str
) -> tuple[JobRow, bool] | None:
    """Submit the body as a job; nothing of it is kept in memory after that."""
    key = request.headers.get("idempotency-key")
    async with Staging(context, account) as staging:
        parsed = await read_submission(request, staging)
        return await submit(parsed, staging, idempotency_key=key)


async def _estimate(request: Request, context: AppContext, account: str) -> EstimateResponse:
    key = request.headers.get("idempotency-key")
    async with Staging(context, account) as staging:
        parsed = await read_submission(request, staging)
        return await estimate(parsed, staging, idempotency_key=key)


def submission_headers(job: JobRow, context: AppContext, *, replayed: bool) -> dict[str, str]:
    """The headers of every answer to a submission: where the job is, and whether it is a replay."""
    headers = {"Location": f"{context.settings.public_url}/v1/jobs/{job.id}"}
    return (
        headers | quota_headers(job.quotas) | ({"Idempotency-Replayed": "true"} if replayed else {})
    )


def accepted(job: JobRow, context: AppContext, headers: dict[str, str]) -> Response:
    """The answer for a job that has not ended, or for whose end nobody waits."""
    return _json(job, context, status=HTTPStatus.ACCEPTED, headers=headers | {"Retry-After": "1"})


@router.get(
    "",
    response_model=JobPage,
    responses=problem_responses(
        AUTHENTICATED, {422: [ErrorCode.INVALID_INPUT, ErrorCode.INVALID_CURSOR]}, WITH_DATABASE
    ),
)
async def list_jobs(
    caller: ReadingDep, context: ContextDep, query: Annotated[ListQuery, Query()]
) -> Any:
    """List your jobs, newest first; with the scope admin, also those of other accounts."""
    account = listed_account(caller, query.account)
    body = await context.database_calls.run(_page, account, context, query)
    return Response(body, media_type="application/json")


def _page(session: Session, account: str | None, context: AppContext, query: ListQuery) -> str:
    """A page of jobs as JSON, which takes too long for the event loop."""
    rows = service.page(
        session,
        account,
        service.Filter(query.status, query.model, labels_of(query.label)),
        before=_decode_cursor(query.cursor),
        limit=query.limit + 1,
    )
    has_next = len(rows) > query.limit
    with_preview = previews.ids_with_preview(session, rows)
    items = [
        JobResponse.of(job, context, preview=job.id in with_preview) for job in rows[: query.limit]
    ]
    cursor = _encode_cursor(items[-1].id) if has_next else None
    return JobPage(items=items, next_cursor=cursor).model_dump_json()


@router.get(
    "/{job_id}",
    response_model=JobResponse,
    responses=_UNCHANGED
    | problem_responses(
        AUTHENTICATED,
        {404: [ErrorCode.JOB_NOT_FOUND], 422: [ErrorCode.INVALID_INPUT]},
        WITH_DATABASE,
    ),
    openapi_extra=authenticated(JOB_ID, wait_parameter(), PREFER, IF_NONE_MATCH),
)
async def get_job(request: Request) -> Response:
    """Get a job, or wait for its end. A waiting request holds no thread and no connection.

    It has an ETag: with `If-None-Match` an unchanged job is a 304.
    """
    reach = (await READING(request)).reach
    context, job_id = context_of(request), request.path_params["job_id"]
    seconds = wait_seconds(request)
    if seconds:
        job = await wait_for_end(context, reach, job_id, seconds, request)
    else:
        job = await context.statements.find_job(reach, job_id)
    if job.state == State.QUEUED:
        await context.queues.get()
    body = job_response(job, context).model_dump_json().encode()
    headers = {"ETag": etag_of(body), "Cache-Control": "private, no-cache"}
    headers |= preference_applied(request, seconds)
    if is_known(",".join(request.headers.getlist("if-none-match")), headers["ETag"]):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


DIRECT = (
    DirectRoute("POST", "/v1/jobs", submit_job, query=("wait", "dry_run")),
    DirectRoute("GET", "/v1/jobs/(?P<job_id>[^/]+)", get_job, query=("wait",)),
)
"""The routes that most requests use."""


@router.post(
    "/{job_id}/cancel",
    status_code=HTTPStatus.ACCEPTED,
    responses=problem_responses(
        AUTHENTICATED,
        {404: [ErrorCode.JOB_NOT_FOUND], 409: [ErrorCode.JOB_ALREADY_FINAL]},
        WITH_DATABASE,
    ),
)
async def cancel_job(job_id: str, caller: SubmittingDep, context: ContextDep) -> JobResponse:
    """Cancel a job: at once while it is queued, at the next step while it runs."""
    canceled = await context.database_calls.run(_cancel, caller, job_id)
    return JobResponse.of(canceled, context)


def _cancel(session: Session, caller: Principal, job_id: str) -> Job:
    job = service.cancel(session, caller.reach, job_id)
    _record_operator_act(session, caller, "job.cancel", job)
    return job


def _record_operator_act(session: Session, caller: Principal, act: str, job: Job) -> None:
    """Record in the audit log what an operator does with a job of another account."""
    if job.account != caller.account:
        audit.record(session, caller.actor, act, job.id, account=job.account)


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
async def delete_job(job_id: str, caller: SubmittingDep, context: ContextDep) -> None:
    """Delete a job that has ended, with its result and the files uploaded for it.

    First the results, then the row: if storage fails, the row stays and DELETE can be retried. The
    files come last: until the row is gone, a submission may still name them. No session is open
    while objects are deleted, so the row is read twice.
    """
    keys = await context.database_calls.run(_results_to_delete, caller.reach, job_id)
    await context.storage_calls.run(_delete_results, context, job_id, keys)
    keys = await context.database_calls.run(_delete, caller, job_id)
    await delete_unneeded(context, keys)


def _delete(session: Session, caller: Principal, job_id: str) -> list[str]:
    job = service.find(session, caller.reach, job_id)
    keys = service.delete(session, caller.reach, job_id)
    _record_operator_act(session, caller, "job.delete", job)
    return keys


def _json(
    job: JobRow,
    context: AppContext,
    *,
    status: HTTPStatus = HTTPStatus.OK,
    headers: dict[str, str] | None = None,
) -> Response:
    """The response for one job, serialized once and not validated again by FastAPI."""
    body = job_response(job, context).model_dump_json()
    return Response(body, status, headers, "application/json")


def _results_to_delete(session: Session, account: str | None, job_id: str) -> list[str]:
    """The results of a job that may be deleted; the row stays for now."""
    with session.begin_nested() as deletion:
        keys = service.delete(session, account, job_id)
        deletion.rollback()
    return [key for key in keys if key.startswith(expiry.RESULTS)]


async def delete_unneeded(context: AppContext, keys: list[str]) -> None:
    """Delete objects that have no row any more. If that fails, maintenance deletes them."""
    with suppress(StorageError):
        for key in keys:
            await context.storage_calls.run(context.storage.delete, key)


def _delete_results(context: AppContext, job_id: str, keys: list[str]) -> None:
    """Delete the results of a job.

    Files that a dead attempt stored beside its result are known to object storage alone.
    """
    for key in keys:
        context.storage.delete(key)
    for remaining in list(context.storage.list_objects(expiry.result_prefix(job_id))):
        context.storage.delete(remaining.key)


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
        raise invalid_cursor()
    return job_id
