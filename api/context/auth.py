"""Authentication by API key: `Authorization: Bearer km_…`."""

from __future__ import annotations

from dataclasses import dataclass

from accounts.api_keys import Scope
from accounts.audit import Actor
from api.errors.problems import Problem
from jobs.errors import ErrorCode


@dataclass(frozen=True)
class Principal:
    """An account, with the scopes of the key that was presented."""

    account: str
    scopes: frozenset[Scope]
    key_id: str | None = None
    """None: no keys are required."""

    @property
    def actor(self) -> Actor:
        """The caller as the audit log names it."""
        return Actor(self.account, self.key_id)

    @property
    def reach(self) -> str | None:
        """The account whose jobs the caller may act on by their ids. None: those of all accounts.

        Without keys, anybody may be the caller: nobody is shown what accounts have stored.
        """
        return None if Scope.ADMIN in self.scopes and self.key_id else self.account

    def require(self, scopes: frozenset[Scope]) -> None:
        """Raise `Problem` (insufficient_scope) unless one of these is held; `admin` implies all."""
        if self.scopes & scopes or Scope.ADMIN in self.scopes:
            return
        names = " or ".join(sorted(scopes))
        raise Problem(
            ErrorCode.INSUFFICIENT_SCOPE,
            f"Your key lacks the scope {names}. Use a key that has it.",
            headers={"WWW-Authenticate": 'Bearer error="insufficient_scope"'},
            extra={"required_scopes": sorted(scopes)},
        )


ANONYMOUS = Principal("local", frozenset(Scope))
"""Every caller while no keys are required: one account with all scopes."""


def unauthorized() -> Problem:
    """The error (unauthorized) for a request without a key, and for one with an invalid key."""
    return Problem(
        ErrorCode.UNAUTHORIZED,
        "Send a valid key in the header Authorization: Bearer km_…",
        headers={"WWW-Authenticate": "Bearer"},
    )
