"""From a draft to a job: check all of it, store its files, write the row, ring the bell."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from api.errors import invalid_input, pointer
from api.staging import Staging
from jobs import service
from jobs.dispatch import call_for
from jobs.errors import Code, Fault, Problem

if TYPE_CHECKING:
    from api.draft import Draft
    from api.shop import Shop
    from jobs.tables import Job
    from models.spec import Card

MAX_KEY_LENGTH = 255


def submit(draft: Draft, shop: Shop, *, account: str, key: str | None) -> tuple[Job, bool]:
    """Make a job of a draft, or find the one that its Idempotency-Key made: (job, replayed).

    Once the row is committed the job cannot be lost, whatever becomes of the broker.
    """
    card = shop.offer.wanted(draft.model)
    check_key(key)
    with Staging(shop.policy, shop.storage, shop.settings.scratch) as staging:
        submission = _check(draft, card, staging, account=account, key=key)
        with shop.sessions.begin() as session:
            job = service.find_replay(session, submission)
        if job is not None:
            return job, True
        # A commit whose reply was lost may have come through: its files stay.
        with shop.sessions.begin() as session, staging.stored():
            job, replayed = service.submit(session, submission)
        if replayed:
            staging.discard()
    if not replayed:
        shop.publisher.publish(call_for(job))
    return job, replayed


def check_key(key: str | None) -> None:
    """Refuse an Idempotency-Key that is not 1-255 printable ASCII characters."""
    if key is None:
        return
    printable = all(" " <= letter <= "~" for letter in key)
    if not printable or not 1 <= len(key) <= MAX_KEY_LENGTH:
        detail = "Idempotency-Key: use 1 to 255 printable ASCII characters, e.g. a UUID."
        raise Problem(Code.INVALID_IDEMPOTENCY_KEY, detail)


def _check(
    draft: Draft, card: Card, staging: Staging, *, account: str, key: str | None
) -> service.Submission:
    kinds = card.input.media_fields()
    values = draft.input | card.input.read_texts(draft.texts)
    for name, upload in draft.files.items():
        if name not in kinds:
            raise _not_a_file(name, list(kinds))
        values[name] = staging.take_upload(name, kinds[name], upload)
    params = _validate(card, values)
    for name, kind in kinds.items():
        uri = params.get(name)
        if uri is not None and name not in draft.files:
            params[name] = staging.take_uri(name, kind, uri)
    return service.Submission(
        account=account,
        model=card.name,
        queue=card.queue,
        input=params,
        labels=draft.labels,
        body_hash=_body_hash(card.name, params, draft.labels, staging),
        idempotency_key=key,
    )


def _validate(card: Card, values: dict[str, Any]) -> dict[str, Any]:
    try:
        return card.input.model_validate_json(json.dumps(values)).model_dump(mode="json")
    except ValidationError as error:
        raise invalid_input(error, "input") from error


def _body_hash(model: str, params: dict[str, Any], labels: dict[str, str], staging: Staging) -> str:
    """The same for the same wish, also when its files were uploaded twice."""
    contents = {name: f"sha256:{staged.sha256}" for name, staged in staging.files.items()}
    text = json.dumps([model, params | contents, labels], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _not_a_file(name: str, fields: list[str]) -> Problem:
    message = f"is not a file of this model's input; files are: {', '.join(fields)}"
    fault = Fault(pointer("input", name), message)
    return Problem(Code.INVALID_INPUT, f"{fault.pointer} {message}.", faults=(fault,))
