"""What jobs made: a video, other files, and a preview of what is on its way."""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from api.context import Shop
from api.deps import ReaderDep, SessionDep, ShopDep
from api.errors.problems import Problem, problem_responses
from jobs import previews, service
from jobs.errors import ErrorCode, RequestError
from jobs.states import State
from jobs.tables import Job, Preview

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

FileName = Annotated[str, Path(description="As in `result.files`.", examples=["voice.wav"])]

RETRY_AFTER = timedelta(seconds=2)
"""When to ask again for something that a job has not produced yet."""

_PREVIEW: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A small picture of what the model has so far.",
        "content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}},
    },
    304: {"description": "It is still the one that the request names in If-None-Match."},
}


@router.head(
    "/{job_id}/result",
    status_code=HTTPStatus.FOUND,
    response_class=RedirectResponse,
    include_in_schema=False,
)
@router.get(
    "/{job_id}/result",
    status_code=HTTPStatus.FOUND,
    response_class=RedirectResponse,
    responses=problem_responses(401, 403, 404, 409, 410, 503),
)
def get_result(job_id: str, account: ReaderDep, session: SessionDep, shop: ShopDep) -> Any:
    """Go to the video: a signed link that is good for an hour."""
    result = _result(session, account, job_id)
    return _link(shop, result["key"], filename=f"{job_id}.mp4")


@router.head(
    "/{job_id}/files/{name}",
    status_code=HTTPStatus.FOUND,
    response_class=RedirectResponse,
    include_in_schema=False,
)
@router.get(
    "/{job_id}/files/{name}",
    status_code=HTTPStatus.FOUND,
    response_class=RedirectResponse,
    responses=problem_responses(401, 403, 404, 409, 410, 503),
)
def get_file(
    job_id: str, name: FileName, account: ReaderDep, session: SessionDep, shop: ShopDep
) -> Any:
    """Go to another file that the job made: a signed link that is good for an hour."""
    files = {file["name"]: file for file in _result(session, account, job_id).get("files", [])}
    if name not in files:
        raise _no_file(list(files))
    return _link(shop, files[name]["key"], filename=f"{job_id}-{name}")


@router.get(
    "/{job_id}/preview",
    response_class=Response,
    responses=_PREVIEW | problem_responses(401, 403, 404, 503),
)
def get_preview(
    job_id: str,
    account: ReaderDep,
    session: SessionDep,
    if_none_match: Annotated[
        str | None, Header(description="The ETag of the preview that the caller has.")
    ] = None,
) -> Any:
    """Look at what a running job makes, or at the last that was seen of one without a video."""
    job = service.find(session, account, job_id)
    preview = previews.latest(session, job)
    if preview is None:
        raise _no_preview(job)
    headers = {"ETag": _tag(preview), "Cache-Control": "no-store"}
    if _names(if_none_match or "", headers["ETag"]):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    headers["X-Content-Type-Options"] = "nosniff"
    return Response(preview.jpeg, headers=headers, media_type="image/jpeg")


def _result(session: Session, account: str, job_id: str) -> dict[str, Any]:
    job = service.find(session, account, job_id)
    if job.expired_at is not None:
        raise _expired(job)
    if job.result is None:
        raise _no_result(job)
    return job.result


def _link(shop: Shop, key: str, *, filename: str) -> str:
    ttl = timedelta(seconds=shop.settings.link_ttl_seconds)
    return shop.storage.signed_url(key, ttl=ttl, now=datetime.now(UTC), filename=filename)


def _tag(preview: Preview) -> str:
    return f'"{preview.attempt}-{preview.at.timestamp():.6f}"'


def _names(if_none_match: str, tag: str) -> bool:
    """Whether the header names this ETag; a weak one is as good (RFC 9110, 13.1.2)."""
    named = {one.strip().removeprefix("W/") for one in if_none_match.split(",")}
    return bool(named & {tag, "*"})


def _expired(job: Job) -> RequestError:
    detail = f"The video was deleted at {job.expired_at:%Y-%m-%d %H:%M} UTC: submit a new job."
    return RequestError(ErrorCode.RESULT_EXPIRED, detail)


def _no_result(job: Job) -> RequestError:
    if State(job.state).final:
        detail = f"The job is {job.state}: it has no video."
        return RequestError(ErrorCode.JOB_WITHOUT_RESULT, detail)
    return RequestError(
        ErrorCode.JOB_NOT_FINISHED,
        f"The job is still {job.state}: ask again when it has succeeded.",
        retryable=True,
        retry_after=RETRY_AFTER,
    )


def _no_file(names: list[str]) -> RequestError:
    made = f"only {', '.join(names)}" if names else "none beside its video"
    detail = f"The job made no file of this name, {made}."
    return Problem(ErrorCode.FILE_NOT_FOUND, detail, status=HTTPStatus.NOT_FOUND)


def _no_preview(job: Job) -> RequestError:
    if State(job.state).final:
        detail = f"The job is {job.state}: there is no preview of it."
        return RequestError(ErrorCode.NO_PREVIEW, detail)
    return RequestError(
        ErrorCode.NO_PREVIEW,
        f"The job is {job.state} and there is no preview of it yet; not every model makes one.",
        retryable=True,
        retry_after=RETRY_AFTER,
    )
