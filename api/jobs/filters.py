"""Filters by which callers choose among their jobs."""

from typing import Annotated

from pydantic import AfterValidator, Field

from accounts.api_keys import Scope
from api.context.auth import Principal
from api.jobs.strict_json import storable_text

MAX_LABELS = 32
"""As many as a job may have."""
MAX_LABEL_LENGTH = 565
"""A name of 64 characters, a colon, and a value of 500."""


def _label(text: str) -> str:
    if ":" not in text:
        raise ValueError("must be name:value")
    return storable_text(text)


def _without_contradiction(pairs: list[str]) -> list[str]:
    names = [pair.partition(":")[0] for pair in set(pairs)]
    if len(set(names)) < len(names):
        raise ValueError("a job has one value of each label; send each name once")
    return pairs


ACCOUNT_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._@-]*"
Text = Annotated[str, AfterValidator(storable_text)]
AccountFilter = Annotated[
    str | None,
    Field(
        max_length=100,
        pattern=rf"^(\*|{ACCOUNT_PATTERN})$",
        description="Those of another account, or `*` for all: needs the scope admin.",
    ),
]
Label = Annotated[str, AfterValidator(_label), Field(max_length=MAX_LABEL_LENGTH)]
Labels = Annotated[
    list[Label],
    AfterValidator(_without_contradiction),
    Field(
        max_length=MAX_LABELS,
        description="Only jobs with this label: `name:value`. Repeat it for several: all must fit.",
    ),
]


def labels_of(pairs: list[str]) -> dict[str, str]:
    """The labels of a filter by name."""
    return {name: value for name, _, value in (pair.partition(":") for pair in pairs)}


def listed_account(caller: Principal, wanted: str | None) -> str | None:
    """Whose rows to list: the caller's own, another account's, or all (None) for `*`.

    Raises `Problem` (insufficient_scope) for those of others without the scope admin.
    """
    if wanted not in (None, caller.account):
        caller.require(frozenset({Scope.ADMIN}))
    return None if wanted == "*" else wanted or caller.account
