"""Batches that are canceled while their jobs change their states."""

from __future__ import annotations

from jobs import lease as leases
from jobs.batches import cancellation, feeding, service
from jobs.batches.rows import NewRow
from jobs.states import Outcome, State
from tests.jobs import build


def stored(sessions, rows):
    """A batch whose rows are jobs; returns its id."""
    new = [NewRow(number, build.submission()) for number in range(1, rows + 1)]
    with sessions.begin() as session:
        batch_id = service.store(session, service.NewBatch("local", new, "0"))[0].id
    feeding.feed(sessions, build.NO_LIMITS)
    return batch_id


def cancel(sessions, batch_id, after=0):
    with sessions.begin() as session:
        return cancellation.cancel_jobs(session, "local", batch_id, after)


def test_a_job_that_goes_back_to_the_queue_meanwhile_is_canceled(sessions):
    batch_id = stored(sessions, 2)
    running = build.claim_next(sessions)

    assert cancel(sessions, batch_id) == 2
    with sessions.begin() as session:
        assert leases.preempt(session, running) is Outcome.CANCELED

    assert cancel(sessions, batch_id, 2) is None
    assert build.count(sessions, State.CANCELED) == 2
    assert build.events(sessions, running.job_id)[-2:] == ["cancel_requested", "canceled"]
