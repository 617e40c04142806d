"""Who asks, and what they may do: `Authorization: Bearer km_…`, nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from accounts import api_keys
from accounts.api_keys import Scope
from api.errors.problems import Problem
from jobs.errors import ErrorCode

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

ANONYMOUS = "local"
"""The one account there is while nobody is asked for a key."""


@dataclass(frozen=True)
class Caller:
    """An account, and the scopes of the key that speaks for it."""

    account: str
    scopes: frozenset[Scope]

    def check(self, wanted: frozenset[Scope]) -> None:
        """Raise a 403 `Problem` unless the key has one of these scopes; admin has all."""
        if self.scopes & (wanted | {Scope.ADMIN}):
            return
        names = " or ".join(sorted(wanted))
        raise Problem(
            ErrorCode.INSUFFICIENT_SCOPE,
            f"Your key lacks the scope {names}: use another key.",
            headers={"WWW-Authenticate": 'Bearer error="insufficient_scope"'},
        )


EVERYBODY = Caller(ANONYMOUS, frozenset(Scope))


def identify(session: Session, presented: str | None) -> Caller:
    """The caller whose key this is. Raises the same 401 `Problem` for none and for a bad one.

    Each request looks the key up, in one unique index: a revoked key is dead at once.
    """
    row = api_keys.find(session, presented) if presented else None
    if row is None:
        raise Problem(
            ErrorCode.UNAUTHORIZED,
            "Send a valid key in the header: Authorization: Bearer km_…",
            headers={"WWW-Authenticate": "Bearer"},
        )
    return Caller(row.account, frozenset(Scope(scope) for scope in row.scopes))
