"""Dependencies of routes: the app's context, and who is calling."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBearer as BearerScheme
from fastapi.security.base import SecurityBase
from structlog.contextvars import bind_contextvars

from accounts.api_keys import ProvenKey, Scope
from api.context.app_context import AppContext
from api.context.auth import ANONYMOUS, Principal, unauthorized
from api.context.sharing.fair_slots import ALL_CALLERS, CALLER
from api.sessions.origin import require_own_page_to_change

_SCHEMES = frozenset({"bearer", "token"})
"""Schemes of the Authorization header; `Token` is that of Replicate's older clients."""


async def get_context(request: Request) -> AppContext:
    """The context of this app."""
    return context_of(request)


def context_of(request: Request) -> AppContext:
    """The context of this app, for what is called with a request."""
    context: AppContext = request.app.state.context
    return context


class PrincipalWith(SecurityBase):
    """A dependency: a caller whose key has one of these scopes.

    One call for header, key and scopes: each dependency takes time on the way of every request.
    """

    def __init__(self, *scopes: Scope) -> None:
        self.scheme_name = "HTTPBearer"
        self.model = BearerScheme(description="A key created by `kinomill keys create`.")
        self._scopes = frozenset(scopes)

    async def __call__(self, request: Request) -> Principal:
        """The caller. Raises `Problem`: unauthorized, insufficient_scope."""
        principal = await principal_of(request)
        principal.require(self._scopes)
        return principal


class AccountWith(SecurityBase):
    """The same for the account of the caller."""

    def __init__(self, *scopes: Scope) -> None:
        self._caller = PrincipalWith(*scopes)
        self.scheme_name, self.model = self._caller.scheme_name, self._caller.model

    async def __call__(self, request: Request) -> str:
        """The account. Raises `Problem`: unauthorized, insufficient_scope."""
        return (await self._caller(request)).account


async def principal_of(request: Request) -> Principal:
    """Who sends a request, by its key or else by its session.

    Raises `Problem`: unauthorized, origin_not_allowed.
    """
    context = context_of(request)
    if context.settings.auth == "off":
        CALLER.set(ALL_CALLERS)
        return ANONYMOUS
    key = bearer_of(request) if "authorization" in request.headers else _session_key(request)
    principal = await context.keys.get(key) if key else None
    if principal is None:
        raise unauthorized()
    CALLER.set(principal.account)
    bind_contextvars(account=principal.account)
    if isinstance(key, ProvenKey):
        require_own_page_to_change(request, context.settings.public_url)
    return principal


def bearer_of(request: Request) -> str:
    """The key in the header of a request; empty if there is none."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() in _SCHEMES else ""


def _session_key(request: Request) -> ProvenKey | None:
    """The key of the session whose cookie a request has."""
    if "cookie" not in request.headers:
        return None
    cookies = context_of(request).cookies
    return cookies.verify(cookies.value_in(request), datetime.now(UTC))


def authenticated(*parameters: dict[str, Any]) -> dict[str, Any]:
    """What FastAPI documents of a direct route: it needs a key, and takes these parameters."""
    return {"security": [{"HTTPBearer": []}], "parameters": list(parameters)}


READING = PrincipalWith(Scope.READ)
READER = AccountWith(Scope.READ)
SUBMITTER = AccountWith(Scope.SUBMIT)
ContextDep = Annotated[AppContext, Depends(get_context)]
ReaderDep = Annotated[str, Depends(READER)]
SubmitterDep = Annotated[str, Depends(SUBMITTER)]
ReadingDep = Annotated[Principal, Depends(READING)]
SubmittingDep = Annotated[Principal, Depends(PrincipalWith(Scope.SUBMIT))]
OperatorDep = Annotated[Principal, Depends(PrincipalWith(Scope.ADMIN))]
AdminDep = Annotated[str, Depends(AccountWith(Scope.ADMIN))]
AnyScopeDep = Annotated[str, Depends(AccountWith(*Scope))]
