"""Invalid input as errors: each wrong field with a JSON pointer to it and what to send instead."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from jobs.errors import ErrorCode, FieldError, RequestError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fastapi.exceptions import RequestValidationError
    from pydantic import ValidationError

    from storage.sniffing.media import MediaRejected

MAX_ERRORS = 20
"""A response lists no more wrong fields than this."""
MAX_ERRORS_IN_DETAIL = 5
MAX_NAME = 100
"""Longest part of a JSON pointer: a client may send field names of any length."""

_MESSAGES = {
    "dict_type": "must be a JSON object",
    "model_attributes_type": "must be a JSON object",
    "model_type": "must be a JSON object",
    "extra_forbidden": "there is no such field",
    "missing": "is required",
}
"""Instead of messages in which Pydantic speaks of Python."""


def invalid_input(error: ValidationError, *prefix: str, value: Any = None) -> RequestError:
    """An `invalid_input` error that names each wrong field of `value`."""
    details = error.errors(include_url=False, include_input=False)
    return invalid_fields(field_errors(details, *prefix, value=value))


def refused_request(error: RequestValidationError) -> RequestError:
    """The error for a request that FastAPI refused: a body that is no JSON, or wrong fields."""
    details = error.errors()
    for each in details:
        if each["type"] == "json_invalid":
            detail = f"The body is not valid JSON: {each['ctx']['error']} (char {each['loc'][-1]})."
            return RequestError(ErrorCode.INVALID_JSON, detail)
        if each["loc"] == ("body",) and isinstance(error.body, bytes):  # of another Content-Type
            return RequestError(ErrorCode.UNSUPPORTED_MEDIA_TYPE, "Send application/json.")
    return invalid_fields(field_errors(details))


def invalid_fields(errors: tuple[FieldError, ...]) -> RequestError:
    """An `invalid_input` error for these fields; its detail sums them up."""
    found = errors[:MAX_ERRORS_IN_DETAIL]
    detail = "; ".join(f"{error.pointer or 'body'}: {error.message}" for error in found)
    return RequestError(ErrorCode.INVALID_INPUT, detail, errors=errors)


def invalid_field(error: FieldError, code: ErrorCode = ErrorCode.INVALID_INPUT) -> RequestError:
    """An error for one field."""
    detail = f"{error.pointer or 'The body'} {error.message}."
    return RequestError(code, detail, errors=(error,))


def invalid_cursor() -> RequestError:
    """The error for a `?cursor=` that no page of the list has given."""
    detail = "This cursor is not from a page of this list. Start again without one."
    error = FieldError("/query/cursor", detail)
    return RequestError(ErrorCode.INVALID_CURSOR, detail, errors=(error,))


def rejected_media(error: MediaRejected, pointer: str, name: str) -> RequestError:
    """An error for an image, video or audio file, or a URL, that cannot be used."""
    detail = f"{name}: {error}.".replace("..", ".")
    return RequestError(ErrorCode.of(error.code), detail, errors=(FieldError(pointer, str(error)),))


def json_pointer(*names: str) -> str:
    """A JSON pointer (RFC 6901); each name is cut to `MAX_NAME` characters."""
    return "".join("/" + name[:MAX_NAME].replace("~", "~0").replace("/", "~1") for name in names)


def field_errors(details: Iterable[Any], *prefix: str, value: Any = None) -> tuple[FieldError, ...]:
    """The first errors that Pydantic found, with pointers into `value` if it is given."""
    return tuple(_field_error(each, prefix, value) for each in islice(details, MAX_ERRORS))


def _field_error(detail: Any, prefix: tuple[str, ...], value: Any) -> FieldError:
    path = [part for part in detail["loc"] if part != "[key]"]
    if value is not None:
        path = _path_in(value, path, missing=detail["type"] == "missing")
    message = _MESSAGES.get(detail["type"], detail["msg"].removeprefix("Value error, "))
    return FieldError(json_pointer(*prefix, *map(str, path)), message)


def _path_in(value: Any, path: Sequence[str | int], *, missing: bool) -> list[str | int]:
    """The parts of a path that exist in the value; Pydantic also names choices of a union."""
    names: list[str | int] = []
    for part in path:
        has = part in value if isinstance(value, dict) else False
        if isinstance(value, list) and isinstance(part, int):
            has = part < len(value)
        if has:
            names.append(part)
            value = value[part]
    return [*names, path[-1]] if missing else names
