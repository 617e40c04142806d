"""Create, poll, list, download and delete videos."""

import re
from collections.abc import Sequence
from dataclasses import fields
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal, NoReturn

from fastapi import Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session
from starlette.convertors import Convertor, register_url_convertor

from api.bodies.staging import Staging
from api.context.app_context import AppContext
from api.context.deps import (
    AnyScopeDep,
    ContextDep,
    ReaderDep,
    SubmitterDep,
    SubmittingDep,
    context_of,
)
from api.errors.problems import AUTHENTICATED, WITH_DATABASE, Problem, problem_responses
from api.jobs.cancellation import cancel_unless_final
from api.jobs.responses import JobResponse, job_response
from api.jobs.routes import IDEMPOTENCY_KEY, SUBMIT_CODES, delete_job, submission_headers
from api.jobs.submission import submit
from api.jobs.waiting import wait_for_end
from api.results.responses import download_name, file_name
from api.results.routes import (
    latest_preview,
    preview_response,
    require_poster,
    require_result,
    signed_url,
)
from api.results.whole_result import failure, whole_result
from api.routers import contract_router
from api.videos.fields import not_supported
from api.videos.request import read_video_request
from api.videos.responses import DeletedVideo, Video, VideoPage
from jobs import service
from jobs.errors import ErrorCode, FieldError, RequestError
from jobs.ids import is_id
from jobs.rows import JobRow
from jobs.states import State


class VideoId(Convertor[str]):
    """The id in a path: any text but `sync`, which is a route."""

    regex = "(?!sync$)[^/]+"

    def convert(self, value: str) -> str:
        """The id as it stands in the path."""
        return value

    def to_string(self, value: str) -> str:
        """The same."""
        return value


register_url_convertor("video", VideoId())
router = contract_router(prefix="/v1/videos", tags=["videos"])

POLL_MILLISECONDS: Final = 1000
"""When a client should ask again; OpenAI's reads it once for all its polls."""
SYNC_SECONDS: Final = 300.0
"""How long `/sync` waits for a video, within the setting `longest_wait_seconds`."""
CANCEL_SECONDS: Final = 10.0
"""How long a deletion waits for a running job to stop."""
LONGEST_RETRY: Final = timedelta(seconds=20)
"""OpenAI's clients sleep for up to 120 s, twice, before they report a refusal to their caller."""
_RESENT: Final = re.compile("[1-9][0-9]{0,3}")
_NO_RETRY: Final = {"x-should-retry": "false"}
_FOUND: Final = {404: [ErrorCode.JOB_NOT_FOUND]}
_BODY: Final = {
    "required": True,
    "description": "The fields of OpenAI's API, of SGLang and of vLLM-Omni, and any input of the "
    "model.",
    "content": {
        kind: {
            "schema": {
                "title": title,
                "type": "object",
                "additionalProperties": True,
                "properties": {"model": {"type": "string"}, "prompt": {"type": "string"}},
            }
        }
        for kind, title in {
            "multipart/form-data": "VideoForm",
            "application/json": "VideoSubmission",
        }.items()
    },
}
_SUBMISSION: Final = {"requestBody": _BODY, "parameters": [IDEMPOTENCY_KEY]}
_BINARY: Final = {"type": "string", "format": "binary"}
_CREATED: Final = problem_responses(
    AUTHENTICATED,
    SUBMIT_CODES,
    {400: [ErrorCode.MODEL_REQUIRED, ErrorCode.NOT_SUPPORTED]},
    WITH_DATABASE,
)


@router.post("", response_model=Video, responses=_CREATED, openapi_extra=_SUBMISSION)
async def create_video(request: Request, account: SubmitterDep) -> Response:
    """Submit a video. The job is stored on disk after this response and will run."""
    job, notes, replayed = await _submit(request, account)
    context = context_of(request)
    headers = submission_headers(job, context, replayed=replayed)
    return _response(job, context, headers, notes)


@router.post(
    "/sync",
    response_class=Response,
    response_model=None,
    responses={
        200: {
            "description": "The video. `Location` is its job.",
            "content": {"video/mp4": {"schema": _BINARY}},
        },
        **_CREATED,
        **problem_responses({504: [ErrorCode.JOB_NOT_FINISHED]}),
    },
    openapi_extra=_SUBMISSION,
)
async def sync_video(request: Request, account: SubmitterDep) -> Response:
    """Submit a video and wait for it: the response is the file."""
    job, _, replayed = await _submit(request, account)
    context = context_of(request)
    headers = submission_headers(job, context, replayed=replayed) | _NO_RETRY
    seconds = min(SYNC_SECONDS, context.settings.longest_wait_seconds)
    job = await wait_for_end(context, account, job.id, seconds, request)
    if not job.final:
        detail = f"The video is not finished after {seconds:.0f} s. Poll /v1/videos/{job.id}."
        raise Problem(
            ErrorCode.JOB_NOT_FINISHED,
            detail,
            status=HTTPStatus.GATEWAY_TIMEOUT,
            headers=headers,
            extra={"id": job.id},
        )
    if job.state != State.SUCCEEDED:
        raise failure(job, headers)
    return await whole_result(job, context, headers | _measured(job))


def _measured(job: JobRow) -> dict[str, str]:
    """What vLLM-Omni says of a video in the headers of this response."""
    headers = {"X-Model": job.model}
    if job.started_at is not None and job.ended_at is not None:
        headers["X-Inference-Time-S"] = f"{(job.ended_at - job.started_at).total_seconds():.3f}"
    return headers


class ListQuery(BaseModel):
    """A page of a list."""

    model_config = ConfigDict(extra="forbid")

    after: str | None = Field(default=None, max_length=100, description="The last id you have.")
    limit: int = Field(default=20, ge=1, le=100)
    order: Literal["asc", "desc"] = "desc"


@router.get(
    "", responses=problem_responses(AUTHENTICATED, {422: [ErrorCode.INVALID_CURSOR]}, WITH_DATABASE)
)
async def list_videos(
    account: ReaderDep, context: ContextDep, query: Annotated[ListQuery, Query()]
) -> VideoPage:
    """List your videos: all jobs of the account, whatever they make."""
    return await context.database_calls.run(_page, account, context, query)


def _page(session: Session, account: str, context: AppContext, query: ListQuery) -> VideoPage:
    if query.after is not None and not is_id(query.after, "job"):
        detail = f"{query.after!r} is not the id of a video."
        error = FieldError("/query/after", detail)
        raise RequestError(ErrorCode.INVALID_CURSOR, detail, errors=(error,))
    start: dict[str, Any] = {"before": query.after}
    if query.order == "asc":
        start = {"after": query.after or ""}
    filters = service.Filter(None, None, {})
    rows = service.page(session, account, filters, limit=query.limit + 1, **start)
    videos = [Video.of(JobResponse.of(row, context)) for row in rows[: query.limit]]
    return VideoPage.of(videos, has_more=len(rows) > query.limit)


@router.get(
    "/{video_id:video}",
    response_model=Video,
    responses=problem_responses(AUTHENTICATED, _FOUND, WITH_DATABASE),
)
async def get_video(video_id: str, account: ReaderDep, context: ContextDep) -> Response:
    """Get a video; that of a failed job is a 200 with the status `failed`."""
    job = await context.statements.find_job(account, video_id)
    if job.state == State.QUEUED:
        await context.queues.get()
    headers = {} if job.final else {"openai-poll-after-ms": str(POLL_MILLISECONDS)}
    return _response(job, context, headers)


@router.get(
    "/{video_id:video}/content",
    status_code=HTTPStatus.FOUND,
    response_class=RedirectResponse,
    response_model=None,
    responses={
        200: {"description": "A thumbnail.", "content": {"image/jpeg": {"schema": _BINARY}}},
        304: {"description": "The thumbnail has not changed since that in If-None-Match."},
        **problem_responses(
            AUTHENTICATED,
            {
                404: [
                    ErrorCode.JOB_NOT_FOUND,
                    ErrorCode.JOB_NOT_FINISHED,
                    ErrorCode.NO_PREVIEW,
                    ErrorCode.VARIANT_NOT_AVAILABLE,
                ],
                409: [ErrorCode.JOB_WITHOUT_RESULT],
                410: [ErrorCode.RESULT_EXPIRED],
                503: [ErrorCode.STORAGE_UNAVAILABLE],
            },
            WITH_DATABASE,
        ),
    },
)
async def download_video(
    video_id: str,
    account: ReaderDep,
    request: Request,
    variant: Annotated[
        Literal["video", "thumbnail", "spritesheet", "0"],
        Query(description="`0` is the video, too: SGLang counts the outputs of a job."),
    ] = "video",
) -> Response:
    """Redirect to the file, on a signed link that is valid for an hour."""
    if variant == "spritesheet":
        error = FieldError("/query/variant", "there are no sprite sheets")
        raise Problem(
            ErrorCode.VARIANT_NOT_AVAILABLE,
            "query/variant: there are no sprite sheets.",
            errors=(error,),
            headers=_NO_RETRY,
        )
    context = context_of(request)
    job = await context.statements.find_job(account, video_id)
    if variant == "thumbnail":
        return await _thumbnail(job, context, request.headers.get("if-none-match", ""))
    if not job.final:
        detail = f"The video is {job.state}: poll /v1/videos/{video_id} until it is completed."
        status = HTTPStatus.NOT_FOUND  # OpenAI's clients send a request again after a 409
        raise Problem(
            ErrorCode.JOB_NOT_FINISHED, detail, retryable=True, status=status, headers=_NO_RETRY
        )
    try:
        result = require_result(job)
    except RequestError as error:
        raise Problem(error.code, error.detail, headers=_NO_RETRY) from error
    url = await signed_url(
        context, result["key"], filename=download_name(result, job.model, job.id)
    )
    return RedirectResponse(url, HTTPStatus.FOUND)


async def _thumbnail(job: JobRow, context: AppContext, if_none_match: str) -> Response:
    """The poster of the result; before there is one, the latest preview."""
    if job.state == State.SUCCEEDED and job.result and "poster" in job.result:
        url = await signed_url(
            context, require_poster(job), filename=file_name(job.model, job.id, "-poster.jpg")
        )
        return RedirectResponse(url, HTTPStatus.FOUND)
    preview = await context.database_calls.run(latest_preview, job.account, job.id)
    return preview_response(preview, if_none_match)


@router.delete(
    "/{video_id:video}",
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
async def delete_video(
    video_id: str, caller: SubmittingDep, context: ContextDep, request: Request
) -> DeletedVideo:
    """Cancel a video that is not finished, and delete it with its files."""
    account = caller.account
    job = await context.statements.find_job(account, video_id)
    if not job.final:
        await cancel_unless_final(context, account, video_id)
        job = await wait_for_end(context, account, video_id, CANCEL_SECONDS, request)
    if not job.final:
        detail = (
            "The video is being canceled, which its model has not noticed yet: delete it again."
        )
        raise Problem(
            ErrorCode.JOB_NOT_FINISHED, detail, retryable=True, headers={"x-should-retry": "true"}
        )
    await delete_job(video_id, caller, context)
    return DeletedVideo(id=video_id)


@router.post(
    "/{video_id:video}/cancel",
    response_model=Video,
    responses=problem_responses(AUTHENTICATED, _FOUND, WITH_DATABASE),
)
async def cancel_video(video_id: str, account: SubmitterDep, context: ContextDep) -> Response:
    """Cancel a video, as SGLang's clients do; one that has ended stays as it is."""
    await cancel_unless_final(context, account, video_id)
    return _response(await context.statements.find_job(account, video_id), context)


@router.get(
    "/characters/{character_id}",
    include_in_schema=False,
    response_model=None,
)
@router.post("/edits", include_in_schema=False, response_model=None)
@router.post("/extensions", include_in_schema=False, response_model=None)
@router.post("/characters", include_in_schema=False, response_model=None)
@router.post("/{video_id:video}/remix", include_in_schema=False, response_model=None)
async def refuse_video(request: Request, _: AnyScopeDep) -> NoReturn:
    """Refuse what OpenAI's API has beside."""
    raise not_supported("", f"this server has no {request.url.path[:100]}: submit a new video")


def _response(
    job: JobRow,
    context: AppContext,
    headers: dict[str, str] | None = None,
    notes: Sequence[str] = (),
) -> Response:
    body = Video.of(job_response(job, context), notes).model_dump_json()
    return Response(body, headers=headers, media_type="application/json")


async def _submit(request: Request, account: str) -> tuple[JobRow, list[str], bool]:
    """Submit the request as a job: (job, notes, whether it is a replay)."""
    context = context_of(request)
    async with Staging(context, account) as staging:
        parsed, notes = await read_video_request(request, staging)
        try:
            submitted = await submit(
                parsed,
                staging,
                idempotency_key=request.headers.get("idempotency-key"),
                resent=_resent(request),
            )
        except RequestError as error:
            if error.retry_after is None or error.retry_after <= LONGEST_RETRY:
                raise
            raise _not_to_be_retried(error) from error
    if submitted is None:
        raise AssertionError("a video is no dry run")
    return submitted[0], notes, submitted[1]


def _not_to_be_retried(error: RequestError) -> Problem:
    """The same error, which OpenAI's clients give to their caller at once."""
    values = {one.name: getattr(error, one.name) for one in fields(error)}
    return Problem(**values | {"headers": values.get("headers", {}) | _NO_RETRY})


def _resent(request: Request) -> bool:
    """Whether OpenAI's client sends a request again, for which it has no Idempotency-Key."""
    return _RESENT.fullmatch(request.headers.get("x-stainless-retry-count", "")) is not None
