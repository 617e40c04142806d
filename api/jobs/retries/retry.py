"""From a job that has ended to a new one with its input."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import ValidationError

from api.bodies.staging import Staging
from api.errors.validation import invalid_input
from api.jobs.submission import check_idempotency_key, check_webhook, insert
from api.traces import request_trace
from jobs import expiry, service
from jobs.errors import ErrorCode, RequestError
from jobs.queue.submission import Submission
from jobs.states import Priority, State

if TYPE_CHECKING:
    from typing import Any

    from sqlalchemy.orm import Session

    from api.context.app_context import AppContext
    from jobs.rows import JobRow
    from jobs.tables import Job
    from models.spec import Card


async def retry(
    context: AppContext, account: str, job_id: str, *, exact: bool, idempotency_key: str | None
) -> tuple[JobRow, bool]:
    """Submit the input of a job that has ended as a new job: (job, replayed).

    `exact` keeps the generated fields (the seed) and pins the revision of the weights. Raises
    `RequestError`: job_not_found, job_not_finished, inputs_expired, not_reproducible, and what
    refuses a submission.
    """
    check_idempotency_key(idempotency_key)
    submission = await context.database_calls.run(
        _submission, account, job_id, context, exact, idempotency_key
    )
    submission = replace(submission, trace=request_trace.current())
    async with Staging(context, account) as staging:
        try:
            return await insert(submission, staging)
        except RequestError as error:
            if error.code == ErrorCode.FILE_NOT_FOUND:
                raise _inputs_expired() from error
            raise


def _submission(
    session: Session,
    account: str,
    job_id: str,
    context: AppContext,
    exact: bool,
    key: str | None,
) -> Submission:
    job = service.find(session, account, job_id)
    _require_repeatable(job)
    card = context.models.require_submittable(job.model)
    if job.webhook_url is not None:
        check_webhook(job.webhook_url, context.url_policy)
    return Submission(
        account=account,
        model=card.name,
        queue=card.queue,
        input=_input(job, card, exact=exact),
        labels=job.labels,
        body_hash=hashlib.sha256(f"retry:{job_id}:{exact}".encode()).hexdigest(),
        idempotency_key=key,
        priority=Priority(job.priority),
        ttl=job.ttl,
        webhook_url=job.webhook_url,
        webhook_events=None if job.webhook_events is None else tuple(job.webhook_events),
        files=tuple(sorted(expiry.named_files(job.input))),
        generated=tuple(job.generated or ()),
        retry_of=job_id,
        pinned_weights=_weights(job, card) if exact else None,
    )


def _require_repeatable(job: Job) -> None:
    if not State(job.state).final:
        raise RequestError(
            ErrorCode.JOB_NOT_FINISHED,
            f"The job is {job.state}. Retry it once it has ended.",
            retryable=True,
            extra={"job_status": job.state},
        )
    if job.expired_at is not None and expiry.named_files(job.input):
        raise _inputs_expired()


def _input(job: Job, card: Card, *, exact: bool) -> dict[str, Any]:
    """The input of the new job. Without `exact`, what was generated is generated again."""
    dropped = () if exact else job.generated or ()
    values = {name: value for name, value in job.input.items() if name not in dropped}
    try:
        return card.input.model_validate_json(json.dumps(values)).model_dump(mode="json")
    except ValidationError as error:
        raise invalid_input(error, "input", value=values) from error


def _weights(job: Job, card: Card) -> str | None:
    """The revision of the weights that the job ran with. None: its model has no weights."""
    if card.weights is None:
        return None
    revision: str | None = job.notes.get("weights_revision")
    if revision is None:
        detail = (
            "The job has no record of the weights that it ran with: no worker loaded them for it, "
            "or it ran on an earlier release. Retry it without `exact`."
        )
        raise RequestError(ErrorCode.NOT_REPRODUCIBLE, detail)
    return revision


def _inputs_expired() -> RequestError:
    detail = "The files of the job's input are no longer stored. Submit a new job with new files."
    return RequestError(ErrorCode.INPUTS_EXPIRED, detail)
