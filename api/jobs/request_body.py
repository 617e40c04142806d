"""A submission as it came over HTTP: JSON, or a multipart form with the files in it."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile

from api.deps import get_shop
from api.errors.validation import invalid_field, invalid_input, json_pointer
from api.jobs import strict_json
from api.jobs.webhook import Webhook
from api.middleware.body_limit import declared_bytes
from jobs.errors import ErrorCode, FieldError, RequestError

MAX_PART_BYTES = 1_000_000
_DIGITS = re.compile("[0-9]{1,12}")

AROUND = ("model", "labels", "priority", "ttl_seconds", "webhook")
"""Fields of a form that are not fields of the input."""

LabelName = Annotated[str, Field(min_length=1, max_length=64)]
LabelText = Annotated[str, Field(max_length=500)]


class Envelope(BaseModel):
    """What surrounds each model's own input."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: str = Field(max_length=100)
    input: dict[str, Any]
    labels: dict[LabelName, LabelText] = Field(
        default={}, max_length=32, description="Your own words, for finding jobs again."
    )
    priority: Literal["interactive", "normal", "background"] = Field(
        default="normal", description="Who is served first; waiting counts for all."
    )
    ttl_seconds: int | None = Field(
        default=None, ge=60, description="How long inputs and result are kept after the end."
    )
    webhook: Webhook | None = Field(default=None, description="Told once the job has ended.")


@dataclass(frozen=True)
class Draft:
    """A submission before anything was checked against the model."""

    around: Envelope
    texts: dict[str, str] = field(default_factory=dict)
    files: dict[str, UploadFile] = field(default_factory=dict)


async def read_draft(request: Request) -> AsyncIterator[Draft]:
    """Read the body, whatever its form. A dependency, so that uploads are closed afterwards."""
    limit = get_shop(request).settings.max_json_bytes
    kind, charset = _kind(request.headers.get("content-type", ""))
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise _unsupported("Send the body without a Content-Encoding.")
    if kind == "multipart/form-data":
        if charset not in {"utf-8", "utf8"}:
            raise _unsupported("Send the form in UTF-8.")
        async with request.form(max_files=8, max_fields=64, max_part_size=MAX_PART_BYTES) as form:
            yield from_form(form)
    elif kind == "application/json":
        yield from_json(await _body(request, limit))
    else:
        raise _unsupported("Send application/json or multipart/form-data.")


def from_json(body: bytes) -> Draft:
    """A draft from `{"model": …, "input": {…}}`. Raises `RequestError`."""
    return Draft(_envelope(strict_json.parse(body)))


def from_form(form: FormData) -> Draft:
    """A draft from form fields: those of the envelope, files, and the rest of the input."""
    texts: dict[str, str] = {}
    files: dict[str, UploadFile] = {}
    for name, part in form.multi_items():
        if name in texts or name in files:
            raise _bad_field(name, "is given twice")
        if not isinstance(part, UploadFile):
            texts[name] = part
        elif part.filename or part.size:  # a page sends an empty part for a file not chosen
            files[name] = part
    around: dict[str, Any] = {name: texts.pop(name) for name in AROUND if name in texts}
    strict_json.check_text(around)
    strict_json.check_text(texts, "input")
    for name in {"labels", "webhook"} & around.keys():
        around[name] = strict_json.parse(around[name].encode(), field=name)
    if _DIGITS.fullmatch(around.get("ttl_seconds", "")):
        around["ttl_seconds"] = int(around["ttl_seconds"])
    return Draft(_envelope(around | {"input": {}}), texts, files)


def _envelope(value: Any) -> Envelope:
    try:
        return Envelope.model_validate(value)
    except ValidationError as error:
        raise invalid_input(error) from error


def _kind(header: str) -> tuple[str, str]:
    """The media type and the charset that a Content-Type names."""
    kind, options = parse_options_header(header)
    charset = options.get(b"charset", b"utf-8")
    return kind.decode("latin-1").lower(), charset.decode("latin-1").lower()


async def _body(request: Request, limit: int) -> bytes:
    body = bytearray()
    if declared_bytes(request.scope) > limit:
        raise _too_large(limit)
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise _too_large(limit)
    return bytes(body)


def _too_large(limit: int) -> RequestError:
    detail = f"The JSON body is over {limit:,} bytes: send media as multipart or by URL."
    return RequestError(ErrorCode.BODY_TOO_LARGE, detail)


def _bad_field(name: str, message: str) -> RequestError:
    return invalid_field(FieldError(json_pointer("input", name), message))


def _unsupported(detail: str) -> RequestError:
    return RequestError(ErrorCode.UNSUPPORTED_MEDIA_TYPE, detail)
