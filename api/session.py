"""Begin and end a session."""

from datetime import UTC, datetime
from http import HTTPStatus

from fastapi import Request, Response
from pydantic import BaseModel, Field

from accounts.api_keys import Scope
from api.context.deps import authenticated, bearer_of, context_of, principal_of
from api.errors.problems import AUTHENTICATED, FROM_PAGES, WITH_DATABASE, problem_responses
from api.routers import contract_router
from api.sessions.cookie import LIFETIME
from api.sessions.origin import require_own_page
from jobs.errors import ErrorCode

router = contract_router(prefix="/v1/session", tags=["session"])


class Session(BaseModel):
    """What a session permits, and until when."""

    account: str
    scopes: list[Scope]
    expires_at: datetime | None = Field(
        description="When the cookie ends; null if this server needs no key, so sets no cookie."
    )


@router.post(
    "",
    response_model=Session,
    responses=problem_responses(AUTHENTICATED, WITH_DATABASE),
    openapi_extra=authenticated(),
)
async def create_session(request: Request) -> Response:
    """Begin a session: the key of this request becomes a cookie for the pages of this server.

    A page that has the cookie needs no key for 12 hours, and neither do its `<img>`, `<video>` and
    `EventSource`. The session ends earlier if its key is revoked.
    """
    context = context_of(request)
    require_own_page(request, context.settings.public_url, proof=False)
    principal = await principal_of(request)
    key = bearer_of(request) if context.settings.auth == "keys" else ""
    ends = (datetime.now(UTC) + LIFETIME).replace(microsecond=0) if key else None
    scopes = sorted(principal.scopes)
    session = Session(account=principal.account, scopes=scopes, expires_at=ends)
    headers = {"Cache-Control": "no-store"}
    response = Response(session.model_dump_json(), 200, headers, "application/json")
    if ends is not None:
        context.cookies.set(response, key, ends)
    return response


@router.delete(
    "",
    status_code=HTTPStatus.NO_CONTENT,
    responses=problem_responses(FROM_PAGES, {422: [ErrorCode.INVALID_INPUT]}),
)
async def delete_session(request: Request) -> Response:
    """End a session: the browser deletes its cookie. Without a session nothing happens."""
    context = context_of(request)
    require_own_page(request, context.settings.public_url, proof=False)
    response = Response(status_code=HTTPStatus.NO_CONTENT)
    context.cookies.clear(response)
    return response
