"""From a parsed submission to a job: validate, store its files, insert the row, publish."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

from pydantic import ValidationError
from structlog.contextvars import bind_contextvars

from api.bodies.json_limits import check_limits
from api.errors.validation import invalid_field, invalid_input, json_pointer, rejected_media
from api.traces import request_trace
from jobs.errors import ErrorCode, FieldError, RequestError
from jobs.ids import is_id
from jobs.queue.admission import queue_refusal
from jobs.queue.broker import JobMessage
from jobs.queue.submission import Submission
from jobs.states import Priority
from storage.sniffing.media import MediaRejected
from storage.web.url_policy import check_url

if TYPE_CHECKING:
    from api.bodies.staging import Staging
    from api.context.app_context import AppContext
    from api.jobs.request_body import Envelope, ParsedSubmission
    from jobs.rows import JobRow
    from models.spec import Card, Input
    from storage.web.url_policy import UrlPolicy

MAX_KEY_LENGTH = 255
OWN_FILES = "/v1/files/"
"""In the URLs of uploaded files, which are taken for their ids."""
Staged: TypeAlias = "tuple[dict[str, Any], str, tuple[str, ...]]"
"""The input with ids of files, the hash of the body, and the generated fields."""
_MEDIA = ("data:", "file_")
"""Values that start like this are media to decode, or to look up in object storage."""


async def submit(
    parsed: ParsedSubmission,
    staging: Staging,
    *,
    idempotency_key: str | None,
    resent: bool = False,
) -> tuple[JobRow, bool] | None:
    """Create a job, or find the one that the same Idempotency-Key created: (job, replayed).

    A request that a client has `resent`, without a key, finds the job of the same content that its
    first attempt may have created.

    Once the row is committed the job cannot be lost: a broker outage only delays it. A
    dry run is only checked: None.
    """
    submission = await prepare(parsed, staging, idempotency_key=idempotency_key)
    context = staging.context
    if parsed.envelope.dry_run:
        return None
    if resent and idempotency_key is None:
        found = await context.statements.find_twin(submission)
        if found is not None:
            return found, True
    return await insert(submission, staging)


async def insert(submission: Submission, staging: Staging) -> tuple[JobRow, bool]:
    """Create the job of a checked submission, or find it: (job, replayed)."""
    job, replayed = await _insert(submission, staging, staging.context)
    bind_contextvars(job=job.id, model=job.model)
    request_trace.note_job(job.id, job.model)
    if not replayed:
        _announce(job, staging.context)
    return job, replayed


async def prepare(
    parsed: ParsedSubmission, staging: Staging, *, idempotency_key: str | None
) -> Submission:
    """Check everything but the limits, and accept the files. Raises `RequestError`."""
    envelope, context = parsed.envelope, staging.context
    card = _checked_envelope(envelope, context, idempotency_key)
    staged = await _checked_input(parsed, card, staging)
    return _submission(parsed, staging, card, staged, idempotency_key)


def checked(parsed: ParsedSubmission, staging: Staging, idempotency_key: str | None) -> Submission:
    """Check a submission without files as `submit` does; in a thread, as storage may be called."""
    card = _checked_envelope(parsed.envelope, staging.context, idempotency_key)
    found = _stage_input(parsed, card, staging)
    return _submission(parsed, staging, card, found, idempotency_key)


def _checked_envelope(envelope: Envelope, context: AppContext, key: str | None) -> Card:
    """The model of a submission. Raises `RequestError` for what is wrong beside its input."""
    card = context.models.require_submittable(envelope.model)
    check_idempotency_key(key)
    _ttl(envelope.ttl_seconds, context.settings.result_ttl)
    if envelope.webhook is not None:
        check_webhook(envelope.webhook.url, context.url_policy)
    return card


def _submission(
    parsed: ParsedSubmission,
    staging: Staging,
    card: Card,
    staged: Staged,
    key: str | None,
) -> Submission:
    """What is inserted."""
    (params, body_hash, generated), envelope = staged, parsed.envelope
    return Submission(
        account=staging.account,
        model=card.name,
        queue=card.queue,
        input=params,
        labels=envelope.labels,
        body_hash=body_hash,
        idempotency_key=key,
        priority=Priority[envelope.priority.upper()],
        ttl=_ttl(envelope.ttl_seconds, staging.context.settings.result_ttl),
        webhook_url=None if envelope.webhook is None else envelope.webhook.url,
        webhook_events=None if envelope.webhook is None else envelope.webhook.stored_events,
        files=_files_of_others(card, params, staging),
        start_within_seconds=envelope.start_within_seconds,
        generated=generated,
        stored_bytes=sum(file.size_bytes for file in staging.files.values()),
        trace=request_trace.current(),
    )


async def _checked_input(parsed: ParsedSubmission, card: Card, staging: Staging) -> Staged:
    """The same as `_stage_input`, in the threads of what it waits for."""
    if _has_media(parsed):
        return await staging.context.storage_calls.run(_stage_input, parsed, card, staging)
    if parsed.large:
        return await staging.context.parsing.run(_stage_input, parsed, card, staging)
    return _stage_input(parsed, card, staging)


def _stage_input(parsed: ParsedSubmission, card: Card, staging: Staging) -> Staged:
    """Validate the input and accept its files."""
    kinds, staging.min_sides = card.input.media_fields(), card.input.min_sides()
    values = parsed.envelope.input | card.input.parse_form_values(
        parsed.form_fields, _check_form_field
    )
    for name, upload in parsed.files.items():
        if name not in kinds:
            raise _not_a_file(name, list(kinds))
        values[name] = staging.accept_upload(name, kinds[name], upload)
    model_input = _validate(card, values)
    params = model_input.model_dump(mode="json")
    for name, kind in kinds.items():
        uri = params.get(name)
        if uri is not None and name not in parsed.files:
            params[name] = staging.accept_uri(name, kind, uri)
    _refuse_misplaced(parsed.envelope, staging)
    contents = {
        name: f"sha256:{file.upload.sha256}" for name, file in staging.files.items() if file.upload
    }
    hashed = {
        name: value
        for name, value in (params | contents).items()
        if name not in model_input.generated_fields
    }
    generated = tuple(sorted(model_input.generated_fields))
    return params, _body_hash(parsed.envelope, hashed), generated


async def _insert(
    submission: Submission, staging: Staging, context: AppContext
) -> tuple[JobRow, bool]:
    """Insert the row, unless the job exists or a limit is reached: then no file is stored."""
    queue = (await context.queues.get())[submission.model]
    refusal = queue_refusal(queue.load, context.limits)
    if refusal is not None or staging.files:
        found = await context.statements.find_replayed(submission)
        if found is not None:
            return found, True
    if refusal is not None:
        context.refused[submission.model] += 1
        raise refusal
    if not staging.files:
        return await context.statements.submit(submission)
    return await _insert_with_files(submission, staging, context)


async def _insert_with_files(
    submission: Submission, staging: Staging, context: AppContext
) -> tuple[JobRow, bool]:
    """Store the files, then the row that needs them.

    If the database fails, the row may exist all the same, because only the reply was lost. So the
    files stay; without a row, maintenance deletes them.
    """
    await context.storage_calls.run(staging.store)
    try:
        job, replayed = await context.statements.submit(submission)
    except RequestError:
        await context.storage_calls.run(staging.discard)
        raise
    if replayed:
        await context.storage_calls.run(staging.discard)
    return job, replayed


def _announce(job: JobRow, context: AppContext) -> None:
    """Wake a worker, and count the job in the snapshot of its queue."""
    context.queues.latest(job.model).add(job.id, Priority(job.priority))
    context.publisher.publish(JobMessage(job.id, job.model, job.queue))


def _files_of_others(card: Card, params: dict[str, Any], staging: Staging) -> tuple[str, ...]:
    """Ids of the files that the submission takes from earlier jobs."""
    media = {params.get(name) for name in card.input.media_fields()}
    staged = {one.id for one in staging.files.values()}
    return tuple(sorted(one for one in media - staged if one is not None and is_id(one, "file")))


def _has_media(parsed: ParsedSubmission) -> bool:
    """Whether the input has files, data URIs or ids of files, so that storage is needed."""
    values = (*parsed.envelope.input.values(), *parsed.form_fields.values())
    return bool(parsed.files) or any(
        isinstance(value, str) and (value.startswith(_MEDIA) or OWN_FILES in value)
        for value in values
    )


def _check_form_field(name: str, text: str) -> None:
    check_limits(text.encode(), "input", name)


def _validate(card: Card, values: dict[str, Any]) -> Input:
    try:
        return card.input.model_validate_json(json.dumps(values))
    except ValidationError as error:
        raise invalid_input(error, "input", value=values) from error


def check_idempotency_key(key: str | None) -> None:
    """Raise `RequestError` (invalid_idempotency_key) for a key that cannot be stored."""
    if key is not None and not is_idempotency_key(key):
        detail = "Idempotency-Key must be 1 to 255 printable ASCII characters, e.g. a UUID."
        raise RequestError(ErrorCode.INVALID_IDEMPOTENCY_KEY, detail)


def is_idempotency_key(key: str) -> bool:
    """Whether the text can be an Idempotency-Key."""
    return 1 <= len(key) <= MAX_KEY_LENGTH and all(" " <= letter <= "~" for letter in key)


def _ttl(seconds: int | None, max_ttl: timedelta) -> timedelta:
    if seconds is None:
        return max_ttl
    if seconds > max_ttl.total_seconds():
        message = f"must be at most {max_ttl.total_seconds():.0f}, the limit of this server"
        raise invalid_field(FieldError("/ttl_seconds", message))
    return timedelta(seconds=seconds)


def check_webhook(url: str, policy: UrlPolicy) -> None:
    """Raise `RequestError` if the policy forbids the URL of a webhook."""
    try:
        check_url(url, policy)
    except MediaRejected as error:
        raise rejected_media(error, "/webhook/url", "webhook") from error


def _refuse_misplaced(envelope: Envelope, staging: Staging) -> None:
    """Refuse data URIs that became files and stand in fields of text."""
    accepted = {file.id for file in staging.files.values()}
    misplaced = {text for text, file in staging.data_uris.items() if file.id not in accepted}
    for part, values in (("labels", envelope.labels), ("input", envelope.input)):
        for name, value in values.items():
            if isinstance(value, str) and value in misplaced:
                message = "is a data URI of a file, which belongs into a field for media"
                raise invalid_field(FieldError(json_pointer(part, name), message))
    if misplaced:
        message = "contains a data URI of a file, which belongs into a field for media"
        raise invalid_field(FieldError("/input", message))


def _body_hash(envelope: Envelope, model_input: dict[str, Any]) -> str:
    """The same for the same submission: `model_input` names files by content, and has no field
    that was generated (a seed).

    What is absent and newer than the first release is left out, so that keys that were sent to
    earlier releases stay valid.
    """
    optional = ("webhook", "start_within_seconds")
    omitted = {name for name in optional if getattr(envelope, name) is None}
    body = envelope.model_dump(exclude=omitted | {"dry_run"}) | {"input": model_input}
    if envelope.webhook is not None:
        body["webhook"] = envelope.webhook.model_dump(exclude_none=True)
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _not_a_file(name: str, file_fields: list[str]) -> RequestError:
    message = f"is not a file of this model's input; its files are: {', '.join(file_fields)}"
    return invalid_field(FieldError(json_pointer("input", name), message))
