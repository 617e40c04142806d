"""The progress bar of a job."""

from __future__ import annotations

import io
import threading
from datetime import timedelta

import pytest
from rich.console import Console

from jobs import lease as leases
from jobs.fleet import worker_registry
from jobs.fleet.worker_registry import WeightsState, WeightsStatus
from jobs.states import Phase
from kinomill import Client, JobFailed
from kinomill.cli.watch.progress import follow
from kinomill.cli.watch.snapshot import snapshot
from kinomill.jobs import Job
from tests.api.build import MODEL
from tests.jobs.build import cancel, claimed, submitted
from tests.waiting import until

NOTHING = dict.fromkeys(
    ("percent", "step", "steps", "part", "parts", "done_bytes", "total_bytes"), None
)
COMING = {"done_bytes": 4_400_000_000, "total_bytes": 7_000_000_000}
WARMING = {"phase": "downloading_weights", "percent": 62.9, **COMING}


COMMON = {"id": "job_1", "model": MODEL, "created_at": "2026-01-01T00:00:00Z"}


def job(status="running", phase=None, queue=None, **progress):
    state = {"status": status, "phase": phase, "queue": queue, "progress": NOTHING | progress}
    return Job.from_json(COMMON | state)


SNAPSHOTS = [
    (job("queued"), ("queued", 0, "")),
    (job("queued", queue={"warmup": None}), ("queued", 0, "")),
    (job("queued", queue={"warmup": WARMING}), ("downloading_weights", 62.9, "4.4/7.0 GB")),
    (job(phase="starting"), ("starting", 0, "")),
    (job(phase="generating", percent=50.0, step=3, steps=6), ("generating", 50.0, "3/6")),
    (
        job(phase="generating", percent=50.0, step=3, steps=6, part=1, parts=1),
        ("generating", 50.0, "3/6"),
    ),
    (
        job(phase="generating", percent=50.0, step=3, steps=6, part=2, parts=3),
        ("generating", 50.0, "3/6 (part 2/3)"),
    ),
    (
        job(phase="uploading", percent=25.0, done_bytes=500_000, total_bytes=2_000_000),
        ("uploading", 25.0, "0.5/2.0 MB"),
    ),
    (job(phase="uploading", total_bytes=500), ("uploading", 0, "0.0/0.5 kB")),
    (job("succeeded", percent=100.0), ("succeeded", 100.0, "")),
]


@pytest.mark.parametrize(("job", "shown"), SNAPSHOTS)
def test_a_snapshot_shows_what_is_known(job, shown):
    assert snapshot(job) == (*shown, "")


@pytest.mark.parametrize(("seconds", "left"), [(0.0, "0:00:00 left"), (95.6, "0:01:36 left")])
def test_a_snapshot_shows_the_estimated_time(seconds, left):
    now = job(phase="generating", percent=50.0, step=3, steps=6, eta_seconds=seconds)

    assert snapshot(now) == ("generating", 50.0, "3/6", left)


def test_a_snapshot_says_that_no_worker_serves_the_model():
    now = job("queued", queue={"warmup": None, "cold_start": True})

    assert snapshot(now) == ("queued", 0, "", "no worker serves this model yet")


def test_a_snapshot_says_why_the_queue_is_paused():
    now = job(
        "queued", queue={"warmup": None, "cold_start": True, "paused": {"reason": "new weights"}}
    )

    assert snapshot(now) == ("queued", 0, "", "paused: new weights")


def test_the_bar_of_a_running_job_shows_the_time_left(server, sessions):
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=120, no_color=True)
    lease = claimed(sessions, submitted(sessions))
    progress = {"percent": 25.0, "step": 5, "steps": 20, "eta_seconds": 95.6}
    with sessions.begin() as session:
        ttl, phase = timedelta(minutes=1), Phase.GENERATING
        leases.renew(session, lease, ttl=ttl, phase=phase, progress=progress)

    def watch():
        with Client(server) as client, pytest.raises(JobFailed):
            follow(client, lease.job_id, console)

    thread = threading.Thread(target=watch)
    thread.start()
    until(lambda: "0:01:36 left" in written.getvalue(), what="the time")
    with sessions.begin() as session:
        leases.cancel(session, lease)
    thread.join(30)

    assert "25 % 5/20" in written.getvalue()


def test_the_bar_of_a_queued_job_shows_the_download_of_weights(server, sessions):
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=120, no_color=True)
    ended = []
    job_id = submitted(sessions)
    with sessions.begin() as session:
        worker_registry.register(session, "a", models=[], pid=1)
        coming = WeightsStatus(state=WeightsState.DOWNLOADING, **COMING)
        worker_registry.heartbeat(session, "a", weights={MODEL: coming})

    def watch():
        with Client(server) as client, pytest.raises(JobFailed) as end:
            follow(client, job_id, console)
        ended.append(str(end.value))

    thread = threading.Thread(target=watch)
    thread.start()
    line = "downloading_weights  63 % 4.4/7.0 GB"
    until(lambda: line in written.getvalue(), what="the line")
    cancel(sessions, job_id)
    thread.join(30)

    assert "canceled" in ended[0]
