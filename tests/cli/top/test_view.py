"""The frame of `kinomill top`: readable at 80 columns, whatever is in it."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console

from cli.top.view import _time, frame, rows_that_fit
from jobs.fleet.worker_resources import GpuUsage, VolumeUsage
from jobs.overview.overview import (
    FailureOverview,
    Overview,
    QueueOverview,
    RunningJob,
    WebhooksOverview,
    WorkerOverview,
)

JOB = "job_01a226cc58c4761ea2693119ff4e7c33"


def overview(**changes):
    queue = {
        "model": "infinitetalk-multi-person-with-a-long-name", "waiting": 99_999, "running": 120,
        "held": 30, "oldest_seconds": 7400, "eta_seconds": 3e5, "workers": 40,
    }  # fmt: skip
    values = {
        "at": datetime.now(UTC),
        "queues": [QueueOverview(**queue, paused=False, full=True)] * 200,
        "queues_total": 10_000,
        "workers": [
            WorkerOverview(
                name="kinomill@gpu-node-17.europe-west4-gpu0-5e0c91d7", state="silent",
                seen_seconds=300, loaded=["wan2.2-i2v", "preview-lipsync"], failed={}, job=None,
            )
        ] * 100,
        "workers_total": 100,
        "running": [
            RunningJob(
                id=JOB, model="infinitetalk-multi", account="a", worker="w", attempt=1,
                phase="downloading_weights", percent=42.3, eta_seconds=83, seconds=3700,
            )
        ],
        "running_total": 1,
        "failures": [FailureOverview(code="worker_lost", model="m", jobs=3, last_seconds=15)],
        "webhooks": WebhooksOverview(pending=1, failing=1, overdue_seconds=0, given_up=7),
        "maintenance_silent_seconds": None,
        "submissions_refused": False,
        "alerts": ["Full: new jobs are refused (queue_full)."],
    }  # fmt: skip
    return Overview(**(values | changes))


def shown(width, **changes):
    out = io.StringIO()
    console = Console(file=out, width=width)
    console.print(frame(overview(**changes), "postgresql://db/kinomill", rows=5, width=width))
    return out.getvalue()


@pytest.mark.parametrize("width", [80, 100, 200])
def test_all_is_readable_at_any_width(width):
    text = shown(width)

    assert max(map(len, text.splitlines())) <= width
    for word in (JOB, "99,999", "full", "silent", "42%", "1m23s", "worker_lost", "given up"):
        assert word in text
    assert "Queues (10000, 9995 more)" in text
    assert "Workers (100, 95 more)" in text
    assert ("█" in text) == (width >= 120)


def test_an_empty_installation_has_empty_tables():
    text = shown(
        80, queues=[], queues_total=0, workers=[], workers_total=0, running=[], running_total=0,
        failures=[], alerts=[],
    )  # fmt: skip

    assert "Running (0)" in text
    assert "!" not in text


def test_names_are_no_markup():
    [worker] = overview().workers[:1]
    text = shown(80, workers=[worker.model_copy(update={"name": "[red]a[/red] [/"})])

    assert "[red]a[/red] [/" in text


HOSTILE = "a\x1b[2J\x1b]0;title\x07\x9b31m\r\n\u202egnp\x00\x7f"


def test_what_others_have_written_does_not_control_the_terminal():
    shown_of = overview()
    text = shown(
        200,
        queues=[shown_of.queues[0].model_copy(update={"model": HOSTILE})],
        workers=[shown_of.workers[0].model_copy(update={"name": HOSTILE, "loaded": [HOSTILE]})],
        running=[shown_of.running[0].model_copy(update={"model": HOSTILE, "phase": HOSTILE})],
        failures=[FailureOverview(code=HOSTILE, model=HOSTILE, jobs=1, last_seconds=1)],
        alerts=[f"worker cannot load it: {HOSTILE}"],
    )

    assert not [one for one in text if not one.isprintable() and one != "\n"]
    assert r"a\x1b[2J" in text
    assert max(map(len, text.splitlines())) <= 200


def test_free_space_and_gpu_memory_of_workers_are_shown():
    [worker] = overview().workers[:1]
    volumes = {
        "weights": VolumeUsage(free_bytes=140 * 10**9, size_bytes=10**12),
        "scratch": VolumeUsage(free_bytes=12 * 10**6, size_bytes=10**10),
    }
    gpus = {"0": GpuUsage(used_bytes=61 * 10**9, size_bytes=80 * 10**9)}
    text = shown(80, workers=[worker.model_copy(update={"volumes": volumes, "gpus": gpus})])

    assert "12M" in text
    assert "61/80G" in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0, "0s"), (59.6, "1m00s"), (3725, "1h02m"), (90_000, "1d01h"), (-1, "0s")],
)
def test_times_have_two_units(seconds, text):
    assert _time(seconds) == text


def test_rows_fit_the_height():
    assert rows_that_fit(24) == 2
    assert rows_that_fit(60) == 11
