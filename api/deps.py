"""What routes ask for by name."""

from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.orm import Session

from api.shop import Shop

ANONYMOUS = "local"
"""The one account there is while the API listens on this machine only."""


def get_shop(request: Request) -> Shop:
    """The shop of this app."""
    shop: Shop = request.app.state.shop
    return shop


def get_session(shop: Annotated[Shop, Depends(get_shop)]) -> Iterator[Session]:
    """A transaction that commits when the route has returned: nothing else commits."""
    with shop.sessions.begin() as session:
        yield session


def get_account() -> str:
    """Who asks."""
    return ANONYMOUS


ShopDep = Annotated[Shop, Depends(get_shop)]
SessionDep = Annotated[Session, Depends(get_session, scope="function")]
AccountDep = Annotated[str, Depends(get_account)]
