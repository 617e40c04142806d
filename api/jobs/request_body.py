"""Parses the body of a submission: JSON, or a multipart form with the files in it."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Annotated, Any, Literal

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile

from api.errors.validation import invalid_field, invalid_input, json_pointer
from api.jobs import strict_json
from api.middleware.body_limit import content_length
from jobs.errors import ErrorCode, FieldError, RequestError

MAX_FILES = 8
MAX_FIELDS = 64
MAX_FIELD_BYTES = 1_000_000
LARGE_BYTES = 65_536
"""Longer JSON is parsed in a thread: 1 MB takes 11 to 260 ms, and other requests would wait."""
_INTEGER = re.compile("[0-9]{1,12}")

ENVELOPE_FIELDS = ("model", "labels", "priority", "ttl_seconds", "webhook", "dry_run")
"""Form fields that belong to the envelope; all others belong to the input."""

LabelName = Annotated[str, Field(min_length=1, max_length=64)]
LabelValue = Annotated[str, Field(max_length=500)]


class Webhook(BaseModel):
    """A URL that is called when the job has ended (see Standard Webhooks)."""

    model_config = ConfigDict(extra="forbid", strict=True)

    url: str = Field(
        description="A public https URL; redirects are not followed.",
        examples=["https://example.com/kinomill"],
    )


class Envelope(BaseModel):
    """The fields of a submission that all models share, around the model's own input."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: str = Field(max_length=100)
    input: dict[str, Any]
    labels: dict[LabelName, LabelValue] = Field(
        default={}, max_length=32, description="Names and values of your own, to filter lists by."
    )
    priority: Literal["interactive", "normal", "background"] = Field(
        default="normal",
        description="Jobs of higher priority run first; waiting raises the priority of a job.",
    )
    ttl_seconds: int | None = Field(
        default=None, ge=60, description="How long inputs and result are kept after the job ended."
    )
    webhook: Webhook | None = Field(default=None, description="Called when the job has ended.")
    dry_run: bool = Field(
        default=False, description="Check the submission and its files, and create no job: 204."
    )


@dataclass(frozen=True)
class ParsedSubmission:
    """A parsed body, not validated against the model yet."""

    envelope: Envelope
    form_fields: dict[str, str] = field(default_factory=dict)
    """Fields of the input that a form sent as text."""
    files: dict[str, UploadFile] = field(default_factory=dict)
    large: bool = False
    """Whether checking it takes long enough to do it in a thread."""


@asynccontextmanager
async def parsed_submission(request: Request) -> AsyncIterator[ParsedSubmission]:
    """The parsed body. Closes uploaded files at the end. Raises `RequestError`."""
    max_json_bytes = request.app.state.context.settings.max_json_bytes
    media_type, charset = _content_type(request.headers.get("content-type", ""))
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise _unsupported("Send the body without a Content-Encoding.")
    if media_type == "multipart/form-data":
        if charset not in {"utf-8", "utf8"}:
            raise _unsupported("Send the form in UTF-8.")
        async with request.form(
            max_files=MAX_FILES, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES
        ) as form:
            yield await run_in_threadpool(parse_form, form)
    elif media_type == "application/json":
        body = await _read_body(request, max_json_bytes)
        if len(body) <= LARGE_BYTES:
            yield parse_json(body)
        else:
            yield replace(await run_in_threadpool(parse_json, body), large=True)
    else:
        raise _unsupported("Send application/json or multipart/form-data.")


def parse_json(body: bytes) -> ParsedSubmission:
    """Parse `{"model": …, "input": {…}}`. Raises `RequestError`."""
    return ParsedSubmission(_envelope(strict_json.parse(body)))


def parse_form(form: FormData) -> ParsedSubmission:
    """Split a form into envelope, files, and the other fields of the input."""
    texts: dict[str, str] = {}
    files: dict[str, UploadFile] = {}
    for name, part in form.multi_items():
        if name in texts or name in files:
            raise _invalid_form_field(name, "is given twice")
        if not isinstance(part, UploadFile):
            texts[name] = part
        elif part.filename or part.size:  # browsers send an empty part when no file was chosen
            files[name] = part
    envelope: dict[str, Any] = {name: texts.pop(name) for name in ENVELOPE_FIELDS if name in texts}
    strict_json.check_text(envelope)
    strict_json.check_text(texts, "input")
    for name in {"labels", "webhook"} & envelope.keys():
        envelope[name] = strict_json.parse(envelope[name].encode(), field=name)
    if envelope.get("dry_run") in {"true", "false"}:
        envelope["dry_run"] = envelope["dry_run"] == "true"
    if _INTEGER.fullmatch(envelope.get("ttl_seconds", "")):
        envelope["ttl_seconds"] = int(envelope["ttl_seconds"])
    return ParsedSubmission(_envelope(envelope | {"input": {}}), texts, files, large=True)


def _envelope(value: Any) -> Envelope:
    try:
        return Envelope.model_validate(value)
    except ValidationError as error:
        raise invalid_input(error) from error


@lru_cache(maxsize=256)
def _content_type(header: str) -> tuple[str, str]:
    """Media type and charset of a Content-Type header."""
    media_type, options = parse_options_header(header)
    charset = options.get(b"charset", b"utf-8")
    return media_type.decode("latin-1").lower(), charset.decode("latin-1").lower()


async def _read_body(request: Request, max_bytes: int) -> bytes:
    body = bytearray()
    if content_length(request.scope) > max_bytes:
        raise _too_large(max_bytes)
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise _too_large(max_bytes)
    return bytes(body)


def _too_large(max_bytes: int) -> RequestError:
    detail = f"The JSON body exceeds {max_bytes:,} bytes. Send media as multipart or by URL."
    return RequestError(ErrorCode.BODY_TOO_LARGE, detail)


def _invalid_form_field(name: str, message: str) -> RequestError:
    return invalid_field(FieldError(json_pointer("input", name), message))


def _unsupported(detail: str) -> RequestError:
    return RequestError(ErrorCode.UNSUPPORTED_MEDIA_TYPE, detail)
