"""What a share shows, to anyone who has its link: no key is needed, and none is looked at."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Path, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from api.context.app_context import AppContext
from api.context.deps import ContextDep
from api.errors.problems import FROM_PAGES, WITH_DATABASE, Problem, problem_responses
from api.results.responses import download_name, file_name
from api.results.routes import require_poster, require_result
from api.routers import contract_router
from api.shares.responses import SharedJob
from api.shares.tokens import share_id_of
from jobs.errors import ErrorCode, RequestError
from jobs.shares import shares
from jobs.shares.tables import Share
from jobs.tables import Job

router = contract_router(prefix="/v1/shared", tags=["shares"])

Token = Annotated[str, Path(max_length=200, description="The last part of a share's `url`.")]

HEADERS = {
    "Cache-Control": "private, no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
}
"""Of every answer: the address is the secret, so it is not kept, passed on or listed."""
_FOUND = {404: [ErrorCode.SHARE_NOT_FOUND], 422: [ErrorCode.INVALID_INPUT]}
_FILE = {
    409: [ErrorCode.JOB_NOT_FINISHED, ErrorCode.JOB_WITHOUT_RESULT],
    410: [ErrorCode.RESULT_EXPIRED],
    503: [ErrorCode.STORAGE_UNAVAILABLE],
}


@router.get(
    "/{token}",
    response_model=SharedJob,
    responses=problem_responses(FROM_PAGES, _FOUND, WITH_DATABASE),
)
async def view_share(token: Token, context: ContextDep) -> Response:
    """Get the job of a link, without its input."""
    with _with_headers():
        body = await context.database_calls.run(_shared_job, context, token)
    return Response(body, headers=HEADERS, media_type="application/json")


@router.get(
    "/{token}/result",
    status_code=HTTPStatus.FOUND,
    response_class=RedirectResponse,
    responses=problem_responses(FROM_PAGES, _FOUND, _FILE, WITH_DATABASE),
)
async def view_result(token: Token, context: ContextDep) -> Any:
    """Redirect to a signed download URL of the result, valid for an hour or until the link ends."""
    with _with_headers():
        share, job = await context.database_calls.run(_shared, context, token)
        result = require_result(job)
    return await _redirect(context, share, result["key"], download_name(result, job.model, job.id))


@router.get(
    "/{token}/poster",
    status_code=HTTPStatus.FOUND,
    response_class=RedirectResponse,
    responses=problem_responses(
        FROM_PAGES, _FOUND, _FILE, {404: [ErrorCode.NO_POSTER]}, WITH_DATABASE
    ),
)
async def view_poster(token: Token, context: ContextDep) -> Any:
    """Redirect to a signed URL of the poster, valid for an hour or until the link ends."""
    with _with_headers():
        share, job = await context.database_calls.run(_shared, context, token)
        key = require_poster(job)
    return await _redirect(context, share, key, file_name(job.model, job.id, "-poster.jpg"))


@contextmanager
def _with_headers() -> Iterator[None]:
    """Errors get the headers, too: a 404 may be cached by default."""
    try:
        yield
    except RequestError as error:
        raise Problem(
            error.code,
            error.detail,
            error.retryable,
            retry_after=error.retry_after,
            headers=HEADERS,
        ) from error


def _shared(session: Session, context: AppContext, token: str) -> tuple[Share, Job]:
    secret = context.settings.secret_key.get_secret_value().encode()
    share, job = shares.shared(session, share_id_of(token, secret))
    session.expunge_all()
    return share, job


def _shared_job(session: Session, context: AppContext, token: str) -> str:
    return SharedJob.of(*_shared(session, context, token), context).model_dump_json()


async def _redirect(context: AppContext, share: Share, key: str, filename: str) -> Response:
    now = datetime.now(UTC)
    longest = timedelta(seconds=context.settings.link_ttl_seconds)
    left = max(share.expires_at - now, timedelta(seconds=1))
    url = await context.storage_calls.run(
        context.storage.signed_url, key, ttl=min(longest, left), now=now, filename=filename
    )
    return RedirectResponse(url, HTTPStatus.FOUND, headers=HEADERS)
