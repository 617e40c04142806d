"""Reads the body of a prediction request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from api.bodies.json_body import read_json
from api.context.deps import context_of
from api.errors.validation import invalid_field, invalid_input
from api.jobs import strict_json
from api.jobs.request_body import ParsedSubmission, is_json, parse_envelope, unsupported
from api.jobs.waiting import preferred_wait
from api.predictions.versions import model_of
from jobs.errors import FieldError
from jobs.webhooks.events import DEFAULT_EVENTS, WebhookEvent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import Request

    from api.bodies.staging import Staging
    from api.context.app_context import AppContext

_EVENTS: Final[Mapping[str, tuple[WebhookEvent, ...]]] = {
    "start": (WebhookEvent.STARTED,),
    "completed": DEFAULT_EVENTS,
}
"""Events of webhooks by the names in Replicate's filter."""
WAIT_SECONDS: Final = 60
"""How long `Prefer: wait` waits without a number, and at most."""


class PredictionRequest(BaseModel):
    """The body of a prediction. `stream` changes nothing: every prediction has a stream."""

    model_config = ConfigDict(extra="forbid", strict=True)

    input: dict[str, Any] = Field(description="The input of the model.")
    version: str | None = Field(
        default=None,
        max_length=300,
        description="The id of a version, `kinomill/NAME`, or `kinomill/NAME:ID`.",
    )
    webhook: str | None = Field(
        default=None,
        description="An https URL. It gets the webhooks of this server, not predictions.",
    )
    webhook_completed: str | None = Field(default=None, description="The same, by its older name.")
    webhook_events_filter: list[Literal["start", "output", "logs", "completed"]] = Field(
        default=["completed"],
        description="`start` and `completed` are sent; the others change nothing.",
    )
    stream: bool | None = None


async def read_prediction(
    request: Request, staging: Staging, *, model: str | None
) -> ParsedSubmission:
    """The submission that a request describes. `model` is that of the path, if it names one.

    Raises `RequestError`.
    """
    context = context_of(request)
    if not is_json(request):
        raise unsupported("Send application/json.")
    body = await read_json(request, staging, context.settings.max_json_bytes)
    return await context.parsing.run(_parsed, body, model, context)


def wait_seconds(request: Request) -> float:
    """How long `Prefer: wait` or `Prefer: wait=N` asks to wait; 0 without it."""
    seconds = preferred_wait(request, without_number=WAIT_SECONDS) or 0.0
    return min(seconds, WAIT_SECONDS, context_of(request).settings.longest_wait_seconds)


def _parsed(body: bytes, model: str | None, context: AppContext) -> ParsedSubmission:
    try:
        sent = PredictionRequest.model_validate(strict_json.parse(body))
    except ValidationError as error:
        raise invalid_input(error) from error
    if model is None:
        if sent.version is None:
            raise invalid_field(FieldError("/version", "is required, such as kinomill/NAME"))
        model = model_of(context.models, sent.version)
    context.models.require_submittable(model)
    envelope: dict[str, Any] = {"model": model, "input": sent.input}
    webhook = sent.webhook or sent.webhook_completed
    names = dict.fromkeys(sent.webhook_events_filter)
    events = [event for name in names for event in _EVENTS.get(name, ())]
    if webhook and events:
        envelope["webhook"] = {"url": webhook, "events": events}
    return ParsedSubmission(parse_envelope(envelope), large=True)
