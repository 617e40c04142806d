"""The query parameter that asks for a dry run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from api.errors.validation import invalid_field
from jobs.errors import FieldError

if TYPE_CHECKING:
    from fastapi import Request

DRY_RUN: Final[dict[str, Any]] = {
    "name": "dry_run",
    "in": "query",
    "required": False,
    "schema": {"type": "boolean", "default": False},
    "description": "Check the submission as if it were one, with all limits, and answer an "
    "estimate of what it would take. Nothing is stored.",
}
_VALUES: Final = {"true": True, "1": True, "false": False, "0": False}


def dry_run_asked(request: Request) -> bool:
    """Whether the caller asks for a dry run. Raises `RequestError` (invalid_input)."""
    text = request.query_params.get("dry_run")
    if text is None:
        return False
    if text.lower() not in _VALUES:
        raise invalid_field(FieldError("/query/dry_run", "must be true or false"))
    return _VALUES[text.lower()]
