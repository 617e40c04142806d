"""What routes ask for by name."""

from collections.abc import Callable, Iterator
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.orm import Session

from accounts.api_keys import Scope
from api.auth import EVERYBODY, Caller, identify
from api.context import Shop

bearer = HTTPBearer(auto_error=False, description="A key made by `kinomill keys create`.")


def get_shop(request: Request) -> Shop:
    """The shop of this app."""
    shop: Shop = request.app.state.shop
    return shop


def get_session(shop: Annotated[Shop, Depends(get_shop)]) -> Iterator[Session]:
    """A transaction that commits when the route has returned: nothing else commits."""
    with shop.sessions.begin() as session:
        yield session


def get_caller(
    shop: Annotated[Shop, Depends(get_shop)],
    presented: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
) -> Caller:
    """Who asks; the key is looked up in a session of its own, so that none is held meanwhile."""
    if shop.settings.auth == "off":
        return EVERYBODY
    with shop.sessions() as session:
        return identify(session, presented.credentials if presented else None)


def account_with(*scopes: Scope) -> Callable[..., str]:
    """A dependency: the account of a caller who has one of these scopes."""

    def get_account(caller: Annotated[Caller, Depends(get_caller)]) -> str:
        caller.check(frozenset(scopes))
        return caller.account

    return get_account


ShopDep = Annotated[Shop, Depends(get_shop)]
SessionDep = Annotated[Session, Depends(get_session, scope="function")]
ReaderDep = Annotated[str, Depends(account_with(Scope.READ))]
SubmitterDep = Annotated[str, Depends(account_with(Scope.SUBMIT))]
AdminDep = Annotated[str, Depends(account_with(Scope.ADMIN))]
HolderDep = Annotated[str, Depends(account_with(*Scope))]
