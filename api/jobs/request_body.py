"""Parses the body of a submission: JSON, or a multipart form with the files in it."""

import re
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Annotated, Any, Literal

from fastapi import Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict, ValidationError
from python_multipart.multipart import parse_options_header

from api.bodies.form_body import Form, read_form
from api.bodies.incoming_file import IncomingFile
from api.bodies.json_body import read_json, too_large
from api.bodies.staging import Staging
from api.errors.validation import invalid_field, invalid_input, json_pointer
from api.jobs import strict_json
from api.middleware.body_limit import content_length
from jobs.errors import ErrorCode, FieldError, RequestError
from jobs.webhooks.events import WebhookEvent

LARGE_BYTES = 16_384
"""Longer JSON is parsed in a thread: within its limits it takes up to 60 ms."""
MAX_START_SECONDS = 30 * 24 * 3600
_INTEGER = re.compile("[0-9]{1,12}")

ENVELOPE_FIELDS = (
    "model", "labels", "priority", "ttl_seconds", "start_within_seconds", "webhook", "dry_run"
)  # fmt: skip
"""Form fields that belong to the envelope; all others belong to the input."""


def _label_name(name: str) -> str:
    if ":" in name:
        raise ValueError("must have no colon: lists are filtered by name:value")
    return name


LabelName = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_label_name)]
LabelValue = Annotated[str, Field(max_length=500)]


class Webhook(BaseModel):
    """A URL that is called when the job has ended or started (see Standard Webhooks)."""

    model_config = ConfigDict(extra="forbid", strict=True)

    url: str = Field(
        description="A public https URL; redirects are not followed.",
        examples=["https://example.com/kinomill"],
    )
    events: list[Annotated[WebhookEvent, Strict(strict=False)]] | None = Field(
        default=None,
        min_length=1,
        max_length=len(WebhookEvent),
        description="What it is called for; default: each end of the job.",
        examples=[["job.started", "job.succeeded"]],
    )

    @property
    def stored_events(self) -> tuple[str, ...] | None:
        """The events as a job has them: each once."""
        return None if self.events is None else tuple(dict.fromkeys(self.events))


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
    start_within_seconds: int | None = Field(
        default=None,
        ge=1,
        le=MAX_START_SECONDS,
        description="A job that no worker has started by then fails as `not_started_in_time`.",
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
    files: dict[str, IncomingFile] = field(default_factory=dict)
    large: bool = False
    """Whether checking it takes long enough to do it in a thread."""


async def read_submission(request: Request, staging: Staging) -> ParsedSubmission:
    """Read and parse the body; its files are in the staging. Raises `RequestError`."""
    context = staging.context
    form = await read_form_body(request, staging)
    if form is not None:
        return await context.parsing.run(parse_form, form)
    if not is_json(request):
        raise unsupported("Send application/json or multipart/form-data.")
    if content_length(request.scope) > context.settings.max_json_bytes:
        raise too_large(context.settings.max_json_bytes)
    body = await read_json(request, staging, context.settings.max_json_bytes)
    if len(body) <= LARGE_BYTES:
        return parse_json(body)
    return replace(await context.parsing.run(parse_json, body), large=True)


def is_json(request: Request) -> bool:
    """Whether the request says that its body is JSON."""
    return content_type(request.headers.get("content-type", ""))[0] == "application/json"


async def read_form_body(request: Request, staging: Staging) -> Form | None:
    """The multipart form of a request; None if its body is of another type.

    Raises `RequestError`.
    """
    media_type, charset = content_type(request.headers.get("content-type", ""))
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise unsupported("Send the body without a Content-Encoding.")
    if media_type != "multipart/form-data":
        return None
    if charset not in {"utf-8", "utf8"}:
        raise unsupported("Send the form in UTF-8.")
    return await read_form(request, staging)


def parse_json(body: bytes) -> ParsedSubmission:
    """Parse `{"model": …, "input": {…}}`. Raises `RequestError`."""
    return ParsedSubmission(parse_envelope(strict_json.parse(body)))


def parse_form(form: Form) -> ParsedSubmission:
    """Split a form into envelope, files, and the other fields of the input."""
    texts: dict[str, str] = {}
    files: dict[str, IncomingFile] = {}
    for name, part in form:
        if name in texts or name in files:
            raise _invalid_form_field(name, "is given twice")
        if not isinstance(part, IncomingFile):
            texts[name] = part
        elif (
            part.filename or part.size_bytes or part.rejected
        ):  # browsers send an empty part when no file was chosen
            files[name] = part
    envelope: dict[str, Any] = {name: texts.pop(name) for name in ENVELOPE_FIELDS if name in texts}
    strict_json.check_text(envelope)
    strict_json.check_text(texts, "input")
    for name in {"labels", "webhook"} & envelope.keys():
        envelope[name] = strict_json.parse_field(envelope[name], name)
    _convert(envelope)
    return ParsedSubmission(parse_envelope(envelope | {"input": {}}), texts, files, large=True)


def _convert(envelope: dict[str, Any]) -> None:
    """Convert the fields of a form that are no texts."""
    if envelope.get("dry_run") in {"true", "false"}:
        envelope["dry_run"] = envelope["dry_run"] == "true"
    for name in ("ttl_seconds", "start_within_seconds"):
        if _INTEGER.fullmatch(envelope.get(name, "")):
            envelope[name] = int(envelope[name])


def parse_envelope(value: Any) -> Envelope:
    """The envelope of a submission. Raises `RequestError`."""
    try:
        return Envelope.model_validate(value)
    except ValidationError as error:
        raise invalid_input(error) from error


@lru_cache(maxsize=256)
def content_type(header: str) -> tuple[str, str]:
    """Media type and charset of a Content-Type header."""
    media_type, options = parse_options_header(header)
    charset = options.get(b"charset", b"utf-8")
    return media_type.decode("latin-1").lower(), charset.decode("latin-1").lower()


def _invalid_form_field(name: str, message: str) -> RequestError:
    return invalid_field(FieldError(json_pointer("input", name), message))


def unsupported(detail: str) -> RequestError:
    """The error for a body of a type that the route does not take."""
    return RequestError(ErrorCode.UNSUPPORTED_MEDIA_TYPE, detail)
