"""Authentication by API key: `Authorization: Bearer km_…`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from accounts import api_keys
from accounts.api_keys import Scope
from api.errors.problems import Problem
from jobs.errors import ErrorCode

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@dataclass(frozen=True)
class Principal:
    """An account, with the scopes of the key that was presented."""

    account: str
    scopes: frozenset[Scope]

    def require(self, scopes: frozenset[Scope]) -> None:
        """Raise `Problem` (insufficient_scope) unless one of these is held; `admin` implies all."""
        if self.scopes & (scopes | {Scope.ADMIN}):
            return
        names = " or ".join(sorted(scopes))
        raise Problem(
            ErrorCode.INSUFFICIENT_SCOPE,
            f"Your key lacks the scope {names}. Use a key that has it.",
            headers={"WWW-Authenticate": 'Bearer error="insufficient_scope"'},
        )


ANONYMOUS = Principal("local", frozenset(Scope))
"""Every caller while no keys are required: one account with all scopes."""


def authenticate(session: Session, key: str | None) -> Principal:
    """The principal of a key. Raises the same `Problem` (unauthorized) for none and for a bad one.

    Every request looks the key up, by one unique index, so a revoked key stops working at once.
    """
    row = api_keys.find(session, key) if key else None
    if row is None:
        raise Problem(
            ErrorCode.UNAUTHORIZED,
            "Send a valid key in the header Authorization: Bearer km_…",
            headers={"WWW-Authenticate": "Bearer"},
        )
    return Principal(row.account, frozenset(Scope(scope) for scope in row.scopes))
