"""A drain on a platform that kills ten seconds after SIGTERM: the next worker gets the job at once.

The lease is a minute: a job that waited for it would not be claimed in these tests.
"""

from __future__ import annotations

import signal

import pytest

from jobs.states import Outcome
from tests.jobs import build
from tests.waiting import until
from tests.workers.process import keeper, outcomes

pytestmark = pytest.mark.acceptance

WINDOW_SECONDS = 5
SCRIPT_ONLY = '["tests.workers.script:CARD"]'


def claimed(sessions, job_id, attempt):
    job = build.job(sessions, job_id)
    return job.attempt == attempt and build.attempt(sessions, job_id, attempt).worker


@pytest.mark.slow
@pytest.mark.parametrize(
    ("act", "broker"), [("stay_at_first_step", 13), ("wait_without_report", 14), ("hold_gil", 15)]
)
def test_a_job_that_cannot_end_in_time_is_given_back_before_the_platform_kills(
    start_worker, submit_to, sessions, gate, act, broker
):
    """Its model reports steps, or none, or keeps its whole process from running."""
    leaving = start_worker(
        f"leaving-{act}",
        broker=broker,
        KINOMILL_MODELS=SCRIPT_ONLY,
        KINOMILL_DRAIN_WINDOW=str(WINDOW_SECONDS),
        KINOMILL_HEARTBEAT_INTERVAL="1",
        KINOMILL_WORKER_HEARTBEAT_INTERVAL="10",
    )
    job_id = submit_to(leaving, act, gate=gate)
    until(lambda: claimed(sessions, job_id, 1), what="the claim")
    other = start_worker(f"other-{act}", broker=broker, KINOMILL_MODELS=SCRIPT_ONLY)

    leaving.process.send_signal(signal.SIGTERM)
    until(
        lambda: keeper(sessions, other).run_once() or claimed(sessions, job_id, 2),
        what="another claim",
    )
    leaving.process.wait(60)

    assert claimed(sessions, job_id, 2) == other.name
    assert outcomes(sessions, job_id)[0] == Outcome.PREEMPTED
    assert leaving.children() == []
