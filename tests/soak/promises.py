"""What the API promised to callers and receivers, against what is stored and was delivered."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise

from jobs.states import Event, Outcome, Priority, State
from jobs.webhooks.signing import format_secret, secret_of
from tests.maintenance.receiver import signed
from tests.soak.invariants import Breach, by_job

MAX_WORKER_LOSSES = 3
MAX_RETRIES = 2
"""The defaults of the settings, after which a job fails."""
RETRIED = {"storage_unavailable", "disk_full", "disk_unwritable"}
"""Errors of a job that any input may meet while things are broken, after all retries."""
OWN_ERRORS = {"reject": "no_face", "die": "worker_lost", "fill_disk": "disk_full"}
"""The error of each kind of job that cannot succeed."""
RUN_AGAIN = "requeue of "
"""What the Idempotency-Key of a job begins with that an operator created from a failed one."""
NOTICED_SECONDS = 10.0
"""How long after a fault its consequence may come."""


@dataclass
class Observations:
    """What callers and receivers saw."""

    submissions: list
    """Each a `callers.Submission`."""
    surprises: list[str] = field(default_factory=list)
    shown: dict[str, dict] = field(default_factory=dict)
    """Jobs as the API showed them at the end, by id."""
    deliveries: list = field(default_factory=list)
    """Each a `tests.maintenance.receiver.Delivery`."""
    interruptions: list[tuple[float, float]] = field(default_factory=list)
    """Times (`time.time()`) between which maintenance or the database was not running."""
    purged: int = 0
    """How many jobs the purges have canceled, by the answers that were not lost."""
    secret_key: str = ""
    """The deployment's key, from which webhooks are signed."""


def check(snapshot, seen):
    """All broken promises."""
    attempts, breaches = by_job(snapshot.attempts), []
    breaches += [Breach("surprises", "the API", surprise) for surprise in seen.surprises]
    jobs, of_key = {job.id: job for job in snapshot.jobs}, defaultdict(list)
    purged = _purged(snapshot)
    if purged and not seen.purged:
        breaches.append(Breach("canceled_by_nobody", "purges", f"{len(purged)} jobs"))
    again = [job for job in snapshot.jobs if origin_of(job)]
    for job in again:
        breaches += _run_again(job, jobs.get(origin_of(job)))
    for job in snapshot.jobs:
        if job in again:
            continue
        of_key[job.labels.get("submission")].append(job)
    for submission in seen.submissions:
        breaches += _accepted(submission, jobs, of_key[submission.key])
        for job in of_key[submission.key]:
            breaches += _kept(submission, job)
            breaches += _caused(submission, job, attempts[job.id], purged=job.id in purged)
            breaches += _told(job, seen.shown.get(job.id))
    keys = {submission.key for submission in seen.submissions}
    for key in of_key.keys() - keys:
        breaches.append(Breach("doubled", str(key), "jobs of no submission"))
    breaches += _webhooks(snapshot, seen)
    return breaches


def _accepted(submission, jobs, rows):
    """Each accepted submission has one job."""
    for job_id in sorted(submission.ids - jobs.keys()):
        yield Breach("lost", job_id, "accepted, but it has no row")
    found = submission.ids | {job.id for job in rows}
    if not found:
        yield Breach("lost", submission.key, "never accepted")
    if len(found) > 1:
        yield Breach("doubled", submission.key, f"jobs {sorted(found)}")


def _kept(submission, job):
    """The job is what its owner submitted."""
    body = submission.body
    wanted = {
        "account": submission.account,
        "model": body["model"],
        "webhook_url": submission.webhook,
        "priority": Priority[body.get("priority", "normal").upper()],
        "idempotency_key": submission.key,
    }
    for name, value in wanted.items():
        if getattr(job, name) != value:
            yield Breach("altered", job.id, f"{name} is {getattr(job, name)}, not {value}")
    for name, value in body["input"].items():
        if job.input.get(name) != value:
            yield Breach("altered", job.id, f"input.{name} is {job.input.get(name)}, not {value}")


def origin_of(job):
    """The failed job that an operator ran again as this one. None: a caller submitted it."""
    key = job.idempotency_key or ""
    return key.removeprefix(RUN_AGAIN) if key.startswith(RUN_AGAIN) else None


def _purged(snapshot):
    """Ids of the jobs that a purge canceled, by their history."""
    events = [event for event in snapshot.events if event.kind == Event.CANCELED]
    return {event.job_id for event in events if event.details.get("by") == "purge"}


def _run_again(job, failed):
    """A job that an operator created has a failed one with the same input."""
    if failed is None or failed.state != State.FAILED:
        yield Breach("wrong_end", job.id, "runs a job again that has not failed")
    elif (job.account, job.input, job.labels) != (failed.account, failed.input, failed.labels):
        yield Breach("altered", job.id, f"differs from {failed.id}")


def _caused(submission, job, attempts, *, purged=False):
    """Each end has a cause: the input, the owner, or as many faults as it takes."""
    if job.state == State.CANCELED and not (submission.cancel_sent or purged):
        yield Breach("canceled_by_nobody", job.id, "its owner sent no cancel")
    if job.state == State.SUCCEEDED and submission.kind in OWN_ERRORS:
        yield Breach("wrong_end", job.id, f"succeeded, though its input was {submission.kind}")
    if job.state == State.FAILED and job.error is not None:
        code = job.error["code"]
        if not _may_fail(submission.kind, code, [attempt.outcome for attempt in attempts]):
            yield Breach("wrong_end", job.id, f"{submission.kind} failed with {code}")


def _may_fail(kind, code, outcomes):
    if code == "worker_lost":
        return outcomes.count(Outcome.LOST) >= MAX_WORKER_LOSSES
    if code in RETRIED:
        return outcomes.count(Outcome.RETRIED) >= MAX_RETRIES
    return code == OWN_ERRORS.get(kind)


def _told(job, shown):
    """The API shows what is stored."""
    if shown is None:
        yield Breach("told_otherwise", job.id, "the API did not show it")
        return
    if shown["status"] != job.state:
        yield Breach("told_otherwise", job.id, f"shown as {shown['status']}, stored as {job.state}")
    told = (shown.get("result") or {}).get("sha256")
    stored = (job.result or {}).get("sha256")
    if told != stored:
        yield Breach("told_otherwise", job.id, f"shown with SHA-256 {told}, stored with {stored}")


def _webhooks(snapshot, seen):
    """Each job that ended sent one message to its webhook, and only there."""
    rows, deliveries = by_job(snapshot.webhooks), defaultdict(list)
    for delivery in seen.deliveries:
        deliveries[delivery.headers.get("webhook-id")].append(delivery)
    for job in snapshot.jobs:
        due = job.webhook_url is not None and State(job.state).final
        if due != (len(rows[job.id]) == 1):
            rule = "webhooks_lost" if due and not rows[job.id] else "webhooks_wrong"
            yield Breach(rule, job.id, f"{len(rows[job.id])} messages")
        for row in rows[job.id]:
            yield from _delivered(job, row, deliveries.pop(row.id, []), seen)
    for message_id in deliveries:
        yield Breach("webhooks_wrong", str(message_id), "a message that is not stored")


def _delivered(job, row, deliveries, seen):
    """The message arrived, was right each time, and was repeated only after a fault."""
    accepted = [delivery for delivery in deliveries if delivery.accepted]
    if row.delivered_at is None or not accepted:
        yield Breach("webhooks_lost", job.id, f"{len(accepted)} accepted of {len(deliveries)}")
    secret = format_secret(secret_of(job.account, seen.secret_key.encode()))
    for delivery in deliveries:
        if not signed(delivery.headers, delivery.body, secret):
            yield Breach("webhooks_wrong", job.id, "the signature is invalid")
        told = json.loads(delivery.body)["data"]
        if (told["id"], told["status"]) != (job.id, job.state):
            yield Breach("webhooks_wrong", job.id, f"says {told}")
    for one, later in pairwise(accepted):
        if not any(
            start < later.at and one.at < end + NOTICED_SECONDS for start, end in seen.interruptions
        ):
            yield Breach("webhooks_repeated", job.id, "no sender died in between")
