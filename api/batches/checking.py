"""Check the rows in the body of a request: all of them, and report every wrong one."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from api.bodies.staging import Staging
from api.errors.problems import Problem
from api.errors.validation import MAX_ERRORS, invalid_field
from api.jobs.request_body import ParsedSubmission, parse_envelope
from api.jobs.submission import checked, is_idempotency_key
from jobs.batches.rows import NewRow
from jobs.batches.service import MAX_ROWS
from jobs.errors import ErrorCode, FieldError, RequestError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from api.batches.lines import Line
    from api.context.app_context import AppContext

MAX_LISTED = 10_000
"""Wrong fields that are reported one by one; of later rows `detail` names some."""
SLICE = 50
"""Rows that are checked at once, between which others get a turn."""


@dataclass
class _Checked:
    """What is known of the rows so far."""

    rows: list[NewRow] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    field_errors: list[FieldError] = field(default_factory=list)
    keys: dict[str, int] = field(default_factory=dict)
    """Numbers of rows by their own keys."""
    _listed: int = 0

    def refuse(self, number: int, error: RequestError) -> None:
        """Note an error of a row, by its number and fields."""
        listed = error.errors if self._listed < MAX_LISTED else ()
        self._listed += len(listed)
        fields = [{"pointer": each.pointer, "message": each.message} for each in listed]
        self.errors.append(
            {"row": number, "code": error.code, "detail": error.detail, "errors": fields}
        )
        for each in error.errors[: MAX_ERRORS - len(self.field_errors)]:
            self.field_errors.append(FieldError(f"/{number}{each.pointer}", each.message))


async def check_rows(
    lines: Iterator[Line], defaults: Mapping[str, Any], context: AppContext, account: str
) -> list[NewRow]:
    """Check every row as a submission. Raises `Problem` (invalid_rows) with all that are wrong.

    `defaults` are the members that a row need not have. Raises `RequestError` as `lines` do.
    """
    checked_rows = _Checked()
    async with Staging(context, account) as staging:
        threads = context.checking_rows
        while True:
            part = await threads.run(lambda: list(islice(lines, SLICE)))
            if not part:
                break
            if len(checked_rows.rows) + len(checked_rows.errors) + len(part) > MAX_ROWS:
                raise _too_many()
            if any(_names_file(line) for line in part):
                call = context.storage_calls.run
                await call(_check, part, defaults, staging, checked_rows)
            else:
                await threads.run(_check, part, defaults, staging, checked_rows)
    if checked_rows.errors:
        raise _invalid_rows(checked_rows)
    if not checked_rows.rows:
        raise invalid_field(FieldError("", "has no rows: send one a line"))
    return checked_rows.rows


def _check(
    lines: list[Line], defaults: Mapping[str, Any], staging: Staging, found: _Checked
) -> None:
    for line in lines:
        try:
            found.rows.append(_row(line, defaults, staging, found.keys))
        except RequestError as error:
            found.refuse(line.number, error)


def _row(line: Line, defaults: Mapping[str, Any], staging: Staging, keys: dict[str, int]) -> NewRow:
    if line.error is not None:
        raise line.error
    body = dict(line.body)
    key = body.pop("key", None)
    if key is not None:
        _check_key(key, line.number, keys)
    if "dry_run" in body:
        raise invalid_field(FieldError("/dry_run", "is a parameter of the whole batch"))
    labels = body.get("labels", {})
    if isinstance(labels, dict):
        body["labels"] = {**defaults.get("labels", {}), **labels}
    envelope = parse_envelope({**defaults, **body})
    _refuse_data_uris(envelope.input)
    return NewRow(line.number, checked(ParsedSubmission(envelope), staging, key), key)


def _check_key(key: Any, number: int, keys: dict[str, int]) -> None:
    if not isinstance(key, str) or not is_idempotency_key(key):
        message = "must be a string of 1 to 255 printable ASCII characters"
        raise invalid_field(FieldError("/key", message))
    first = keys.setdefault(key, number)
    if first != number:
        raise invalid_field(FieldError("/key", f"is also the key of row {first}"))


def _refuse_data_uris(values: dict[str, Any]) -> None:
    for name, value in values.items():
        if isinstance(value, str) and value.startswith("data:"):
            message = "is a data URI, which a batch does not take: send a URL or the id of a file"
            raise invalid_field(FieldError(f"/input/{name}", message))


def _names_file(line: Line) -> bool:
    """Whether object storage is asked for a file of the row."""
    values = line.body.get("input")
    return isinstance(values, dict) and any(
        isinstance(value, str) and value.startswith("file_") for value in values.values()
    )


def _too_many() -> RequestError:
    return invalid_field(FieldError("", f"has more than {MAX_ROWS:,} rows: send several batches"))


def _invalid_rows(found: _Checked) -> Problem:
    wrong = len(found.errors)
    first = found.errors[0]
    detail = f"{wrong:,} of the rows are wrong; the first, row {first['row']}: {first['detail']}"
    return Problem(
        ErrorCode.INVALID_ROWS,
        detail,
        errors=tuple(found.field_errors),
        extra={"rows": found.errors},
    )
