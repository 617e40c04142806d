"""Download results: the file that was made, further files, a preview while the job runs."""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Header, Path, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from api.context.app_context import AppContext
from api.context.deps import ContextDep, ReaderDep
from api.errors.problems import AUTHENTICATED, WITH_DATABASE, Problem, problem_responses
from api.etags import is_known
from api.results.responses import download_name, file_name, preview_etag
from api.routers import contract_router
from jobs import previews, service
from jobs.errors import ErrorCode, RequestError
from jobs.rows import JobRow
from jobs.states import State
from jobs.tables import Job, Preview

router = contract_router(prefix="/v1/jobs", tags=["jobs"])

FileName = Annotated[
    str, Path(description="Name of a file in `result.files`.", examples=["voice.wav"])
]

RETRY_AFTER = timedelta(seconds=2)
"""When to ask again for something that a job has not produced yet."""

_RESULT_CODES = {
    404: [ErrorCode.JOB_NOT_FOUND],
    409: [ErrorCode.JOB_NOT_FINISHED, ErrorCode.JOB_WITHOUT_RESULT],
    410: [ErrorCode.RESULT_EXPIRED],
    503: [ErrorCode.STORAGE_UNAVAILABLE],
}
_PREVIEW: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A small JPEG of what the model has generated so far.",
        "content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}},
    },
    304: {"description": "The preview has not changed since the one named in If-None-Match."},
}


@router.get(
    "/{job_id}/result",
    status_code=HTTPStatus.FOUND,
    response_class=RedirectResponse,
    responses=problem_responses(AUTHENTICATED, _RESULT_CODES, WITH_DATABASE),
)
async def get_result(job_id: str, account: ReaderDep, context: ContextDep) -> Any:
    """Redirect to a signed download URL of what was made, valid for one hour."""
    job = await context.statements.find_job(account, job_id)
    result = require_result(job)
    filename = download_name(result, job.model, job_id)
    return await signed_url(context, result["key"], filename=filename)


@router.get(
    "/{job_id}/files/{name}",
    status_code=HTTPStatus.FOUND,
    response_class=RedirectResponse,
    responses=problem_responses(
        AUTHENTICATED, _RESULT_CODES, {404: [ErrorCode.FILE_NOT_FOUND]}, WITH_DATABASE
    ),
)
async def get_file(job_id: str, name: FileName, account: ReaderDep, context: ContextDep) -> Any:
    """Redirect to a signed download URL of a further file of the job, valid for one hour."""
    job = await context.statements.find_job(account, job_id)
    result = require_result(job)
    files = {file["name"]: file for file in result.get("files", [])}
    if name not in files:
        raise _file_not_found(list(files))
    return await signed_url(
        context, files[name]["key"], filename=file_name(job.model, job_id, f"-{name}")
    )


@router.get(
    "/{job_id}/poster",
    status_code=HTTPStatus.FOUND,
    response_class=RedirectResponse,
    responses=problem_responses(
        AUTHENTICATED, _RESULT_CODES, {404: [ErrorCode.NO_POSTER]}, WITH_DATABASE
    ),
)
async def get_poster(job_id: str, account: ReaderDep, context: ContextDep) -> Any:
    """Redirect to a signed URL of the poster: a JPEG of the result, 640 pixels at most."""
    job = await context.statements.find_job(account, job_id)
    filename = file_name(job.model, job_id, "-poster.jpg")
    return await signed_url(context, require_poster(job), filename=filename)


@router.get(
    "/{job_id}/preview",
    response_class=Response,
    responses=_PREVIEW
    | problem_responses(
        AUTHENTICATED, {404: [ErrorCode.JOB_NOT_FOUND, ErrorCode.NO_PREVIEW]}, WITH_DATABASE
    ),
)
async def get_preview(
    job_id: str,
    account: ReaderDep,
    context: ContextDep,
    if_none_match: Annotated[
        str | None, Header(description="ETag of the preview that you have.")
    ] = None,
) -> Any:
    """Get the latest preview of a running job, or of one that ended without a result."""
    preview = await context.database_calls.run(latest_preview, account, job_id)
    return preview_response(preview, if_none_match or "")


def preview_response(preview: Preview, if_none_match: str) -> Response:
    """The preview, or 304 for a caller that has it."""
    headers = {"ETag": preview_etag(preview.attempt, preview.at), "Cache-Control": "no-store"}
    if is_known(if_none_match, headers["ETag"]):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    headers["X-Content-Type-Options"] = "nosniff"
    return Response(preview.jpeg, headers=headers, media_type="image/jpeg")


def latest_preview(session: Session, account: str, job_id: str) -> Preview:
    """The preview of a job. Raises `RequestError`: job_not_found, no_preview."""
    job = service.find(session, account, job_id)
    preview = previews.latest(session, job)
    if preview is None:
        raise _no_preview(job)
    return preview


def require_result(job: Job | JobRow) -> dict[str, Any]:
    """The stored result of a job. Raises `RequestError` if it has none, or has one no more."""
    if job.expired_at is not None:
        raise _expired(job)
    if job.result is None:
        raise _no_result(job)
    return job.result


def require_poster(job: Job | JobRow) -> str:
    """The object key of the poster. Raises `RequestError` as `require_result` does, no_poster."""
    poster = require_result(job).get("poster")
    if poster is None:
        detail = "The result of this job has no poster. Use the result itself."
        raise RequestError(ErrorCode.NO_POSTER, detail)
    key: str = poster["key"]
    return key


async def signed_url(context: AppContext, key: str, *, filename: str) -> str:
    """A link to an object; a bucket may sign it by a call to IAM."""
    ttl = timedelta(seconds=context.settings.link_ttl_seconds)
    return await context.storage_calls.run(
        context.storage.signed_url, key, ttl=ttl, now=datetime.now(UTC), filename=filename
    )


def _expired(job: Job | JobRow) -> RequestError:
    detail = f"The result was deleted at {job.expired_at:%Y-%m-%d %H:%M} UTC. Submit a new job."
    return RequestError(ErrorCode.RESULT_EXPIRED, detail)


def _no_result(job: Job | JobRow) -> RequestError:
    if State(job.state).final:
        detail = f"The job has ended as {job.state}: it has no result."
        return RequestError(ErrorCode.JOB_WITHOUT_RESULT, detail)
    return RequestError(
        ErrorCode.JOB_NOT_FINISHED,
        f"The job is still {job.state}: ask again once it has succeeded.",
        retryable=True,
        retry_after=RETRY_AFTER,
    )


def _file_not_found(names: list[str]) -> RequestError:
    available = f"available are: {', '.join(names)}" if names else "it has only its result"
    detail = f"The job has no file of this name; {available}."
    return Problem(ErrorCode.FILE_NOT_FOUND, detail, status=HTTPStatus.NOT_FOUND)


def _no_preview(job: Job) -> RequestError:
    if State(job.state).final:
        detail = f"The job has ended as {job.state} and kept no preview."
        return RequestError(ErrorCode.NO_PREVIEW, detail)
    return RequestError(
        ErrorCode.NO_PREVIEW,
        f"The job is {job.state} and has no preview yet. Not every model produces one.",
        retryable=True,
        retry_after=RETRY_AFTER,
    )
