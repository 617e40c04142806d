"""Dependencies of routes: the app's context, a session, and who is calling."""

from collections.abc import Callable, Iterator
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.orm import Session

from accounts.api_keys import Scope
from api.context.app_context import AppContext
from api.context.auth import ANONYMOUS, Principal, authenticate

bearer = HTTPBearer(auto_error=False, description="A key created by `kinomill keys create`.")


def get_context(request: Request) -> AppContext:
    """The context of this app."""
    context: AppContext = request.app.state.context
    return context


def get_session(context: Annotated[AppContext, Depends(get_context)]) -> Iterator[Session]:
    """A session that commits when the route has returned; routes never commit themselves."""
    with context.sessions.begin() as session:
        yield session


def get_principal(
    context: Annotated[AppContext, Depends(get_context)],
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
) -> Principal:
    """Who is calling. Uses its own short session, so that none is held while the body arrives."""
    if context.settings.auth == "off":
        return ANONYMOUS
    with context.sessions() as session:
        return authenticate(session, credentials.credentials if credentials else None)


def account_with(*scopes: Scope) -> Callable[..., str]:
    """A dependency: the account of a caller whose key has one of these scopes."""

    def get_account(principal: Annotated[Principal, Depends(get_principal)]) -> str:
        principal.require(frozenset(scopes))
        return principal.account

    return get_account


ContextDep = Annotated[AppContext, Depends(get_context)]
SessionDep = Annotated[Session, Depends(get_session, scope="function")]
ReaderDep = Annotated[str, Depends(account_with(Scope.READ))]
SubmitterDep = Annotated[str, Depends(account_with(Scope.SUBMIT))]
AdminDep = Annotated[str, Depends(account_with(Scope.ADMIN))]
AnyScopeDep = Annotated[str, Depends(account_with(*Scope))]
