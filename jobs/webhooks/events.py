"""Events that webhooks report, and which of them a job's owner gets."""

from __future__ import annotations

from enum import StrEnum

from jobs.states import State


class WebhookEvent(StrEnum):
    """What a webhook reports. Without a choice, a job reports its final state only."""

    STARTED = "job.started"  #: a worker has started the first attempt
    SUCCEEDED = "job.succeeded"  #: its result is in object storage
    FAILED = "job.failed"  #: it ended with an error
    CANCELED = "job.canceled"  #: its owner canceled it


_OF_STATES = {
    State.RUNNING: WebhookEvent.STARTED,
    State.SUCCEEDED: WebhookEvent.SUCCEEDED,
    State.FAILED: WebhookEvent.FAILED,
    State.CANCELED: WebhookEvent.CANCELED,
}


DEFAULT_EVENTS = (WebhookEvent.SUCCEEDED, WebhookEvent.FAILED, WebhookEvent.CANCELED)
"""Those of a job whose owner chose none."""


def event_of(state: State | str) -> WebhookEvent:
    """The event of a job that has come to this state."""
    return _OF_STATES[State(state)]


def wanted(state: str) -> str:
    """SQL: whether a row of jobs has a webhook for its move to `state`, an expression in SQL."""
    return (
        "webhook_url IS NOT NULL AND CASE WHEN webhook_events IS NULL THEN "
        f"{state} IN ('succeeded', 'failed', 'canceled') "
        f"ELSE webhook_events ? ('job.' || CASE {state} WHEN 'running' THEN 'started' "
        f"ELSE {state} END) END"
    )


def insert_messages(jobs: str, state: State) -> str:
    """SQL: write the messages of many jobs, rows of `jobs`, that come to `state` at once.

    Their ids are as those of `new_message_id`: the job's time and 80 random bits.
    """
    return f"""
    INSERT INTO webhooks (id, job_id, account, url, state)
    SELECT 'msg_' || substr(id, 5, 12) || substr(md5(id || random()), 1, 20), id, account,
        webhook_url, '{state}'
    FROM {jobs} WHERE {wanted(f"'{state}'")} ORDER BY id"""  # noqa: S608 - constants
