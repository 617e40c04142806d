"""From a draft to a job: check all of it, store its files, write the row, ring the bell."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from api.errors.validation import invalid_field, invalid_input, json_pointer
from api.jobs.staging import Staging
from api.jobs.webhook import checked_url
from jobs import service
from jobs.errors import ErrorCode, FieldError, RequestError
from jobs.queue import admission
from jobs.queue.broker import message_for
from jobs.service import Submission
from jobs.states import Priority

if TYPE_CHECKING:
    from api.context import Shop
    from api.jobs.request_body import Draft, Envelope
    from jobs.tables import Job
    from models.spec import Card, Input

MAX_KEY_LENGTH = 255


def submit(draft: Draft, shop: Shop, *, account: str, key: str | None) -> tuple[Job, bool]:
    """Make a job of a draft, or find the one that its Idempotency-Key made: (job, replayed).

    Once the row is committed the job cannot be lost, whatever becomes of the broker.
    """
    card = shop.offer.wanted(draft.around.model)
    check_key(key)
    terms: dict[str, Any] = {
        "ttl": _ttl(draft.around.ttl_seconds, shop),
        "webhook_url": checked_url(draft.around.webhook, shop.policy),
    }
    with Staging(shop.policy, shop.storage, shop.settings.scratch, shop.files, account) as staging:
        submission = replace(_check(draft, card, staging, account=account, key=key), **terms)
        job, replayed = _write(submission, staging, shop)
    if not replayed:
        shop.publisher.publish(message_for(job))
    return job, replayed


def _write(submission: Submission, staging: Staging, shop: Shop) -> tuple[Job, bool]:
    """Make the row, unless it is there or too many are: a refusal leaves no row and no file."""
    with shop.sessions() as session:
        load = shop.gauge.read(session, submission)
        refusal = admission.check_admission(session, submission, shop.limits, load)
        job = service.find_replayed_job(session, submission)
    if job is not None:
        return job, True
    if refusal is not None:
        raise refusal
    # A commit whose reply was lost may have come through: its files stay.
    with shop.sessions.begin() as session, staging.stored():
        job, replayed = admission.submit(session, submission, shop.limits)
    if replayed:
        staging.discard()
    return job, replayed


def check_key(key: str | None) -> None:
    """Refuse an Idempotency-Key that is not 1-255 printable ASCII characters."""
    if key is None:
        return
    printable = all(" " <= letter <= "~" for letter in key)
    if not printable or not 1 <= len(key) <= MAX_KEY_LENGTH:
        detail = "Idempotency-Key: use 1 to 255 printable ASCII characters, e.g. a UUID."
        raise RequestError(ErrorCode.INVALID_IDEMPOTENCY_KEY, detail)


def _check(
    draft: Draft, card: Card, staging: Staging, *, account: str, key: str | None
) -> Submission:
    kinds = card.input.media_fields()
    values = draft.around.input | card.input.parse_form_values(draft.texts)
    for name, upload in draft.files.items():
        if name not in kinds:
            raise _not_a_file(name, list(kinds))
        values[name] = staging.take_upload(name, kinds[name], upload)
    wish = _validate(card, values)
    params = wish.model_dump(mode="json")
    for name, kind in kinds.items():
        uri = params.get(name)
        if uri is not None and name not in draft.files:
            params[name] = staging.take_uri(name, kind, uri)
    return Submission(
        account=account,
        model=card.name,
        queue=card.queue,
        input=params,
        labels=draft.around.labels,
        body_hash=_body_hash(draft.around, _without(params, wish.generated_fields), staging),
        idempotency_key=key,
        priority=Priority[draft.around.priority.upper()],
    )


def _validate(card: Card, values: dict[str, Any]) -> Input:
    try:
        return card.input.model_validate_json(json.dumps(values))
    except ValidationError as error:
        raise invalid_input(error, "input", value=values) from error


def _without(params: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if name not in names}


def _ttl(seconds: int | None, shop: Shop) -> timedelta:
    longest = shop.settings.result_ttl
    if seconds is None:
        return longest
    if seconds > longest.total_seconds():
        message = f"must be at most {longest.total_seconds():.0f}, the limit of this server"
        raise invalid_field(FieldError("/ttl_seconds", message))
    return timedelta(seconds=seconds)


def _body_hash(around: Envelope, params: dict[str, Any], staging: Staging) -> str:
    """The same for the same wish, also when its files were uploaded twice.

    Without a webhook it is what it was before there were any: keys are good across releases.
    """
    contents = {name: f"sha256:{staged.sha256}" for name, staged in staging.files.items()}
    unsaid = {"webhook"} if around.webhook is None else set()
    wish = around.model_dump(exclude=unsaid) | {"input": params | contents}
    text = json.dumps(wish, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _not_a_file(name: str, fields: list[str]) -> RequestError:
    message = f"is not a file of this model's input; files are: {', '.join(fields)}"
    return invalid_field(FieldError(json_pointer("input", name), message))
