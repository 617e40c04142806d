"""Snapshots of jobs: typed attributes, and how they look."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import pytest

from kinomill.cli.output import summary
from kinomill.jobs import Job

JOB = {
    "id": "job_1",
    "model": "wav2lip",
    "status": "succeeded",
    "priority": "normal",
    "queue": None,
    "phase": None,
    "progress": {"percent": 100.0, "step": 6, "steps": 6, "eta_seconds": None},
    "attempt": 1,
    "cancel_requested": False,
    "created_at": "2026-11-28T10:00:00.5Z",
    "started_at": "2026-11-28T10:00:01+00:00",
    "ended_at": None,
    "expires_at": None,
    "input": {"fps": 25},
    "labels": {"campaign": "a"},
    "webhook": None,
    "timings": {"generating": 1.5},
    "notes": {},
    "result": {
        "url": "http://127.0.0.1:8000/v1/jobs/job_1/result",
        "content_type": "video/mp4",
        "size_bytes": 10,
        "sha256": "0" * 64,
        "width": 64,
        "height": 48,
        "fps": 30000 / 1001,
        "fps_fraction": "30000/1001",
        "frames": 3,
        "duration_seconds": 0.1,
        "has_audio": True,
        "notes": {},
        "files": [
            {
                "name": "voice.wav",
                "url": "http://127.0.0.1:8000/v1/jobs/job_1/files/voice.wav",
                "content_type": "audio/wav",
                "size_bytes": 5,
                "sha256": "1" * 64,
            }
        ],
    },
    "error": None,
    "provenance": {"license": "MIT"},
    "links": {},
    "a_field_of_a_newer_server": 1,
}
QUEUED = {
    "status": "queued",
    "result": None,
    "queue": {
        "position": 3,
        "workers": 0,
        "cold_start": True,
        "warmup": {"phase": "loading_model", "percent": None, "done_bytes": 1, "total_bytes": 2},
        "eta_seconds": {"p50": 1.0, "p90": 2.0},
    },
}
FAILED = {
    "status": "failed",
    "result": None,
    "error": {"code": "no_face", "detail": "<b>No face</b>", "retryable": False, "field": "image"},
}


def job(**changes):
    return Job.from_json(JOB | changes)


def test_attributes_are_typed():
    one = job()

    assert one.created_at == datetime(2026, 11, 28, 10, 0, 0, 500_000, tzinfo=UTC)
    assert one.started_at == datetime(2026, 11, 28, 10, 0, 1, tzinfo=UTC)
    assert one.ended_at is None
    assert (one.progress.percent, one.progress.done_bytes) == (100.0, None)
    assert one.result.fps == pytest.approx(29.97, abs=0.001)
    assert (one.result.fps_fraction, one.result.files[0].name) == (
        Fraction(30000, 1001),
        "voice.wav",
    )
    assert (one.done, one.succeeded) == (True, True)
    assert one.raw["a_field_of_a_newer_server"] == 1


def test_a_queued_job_has_a_position():
    queue = job(**QUEUED).queue

    assert (queue.position, queue.cold_start) == (3, True)
    assert (queue.warmup.phase, queue.eta_seconds.p90) == ("loading_model", 2.0)


def test_a_failed_job_has_an_error():
    failed = job(**FAILED)

    assert (failed.error.code, failed.error.field) == ("no_face", "image")
    assert (failed.done, failed.succeeded) == (True, False)


def test_snapshots_are_equal_until_something_changes():
    assert job() == job()
    assert job() != job(attempt=2)
    assert job() != "job_1"
    assert len({job(), job(attempt=2)}) == 2


def test_a_snapshot_cannot_be_changed():
    with pytest.raises(AttributeError):
        job().status = "queued"


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({}, "<Job job_1 wav2lip: succeeded>"),
        ({"status": "running", "phase": "generating"}, "<Job job_1 wav2lip: running (generating"),
    ],
)
def test_its_repr_is_short(changes, shown):
    assert repr(job(**changes)).startswith(shown)


def test_a_notebook_shows_a_player():
    html = job()._repr_html_()

    assert '<video controls preload="metadata"' in html
    assert '<source src="http://127.0.0.1:8000/v1/jobs/job_1/result" type="video/mp4">' in html


def test_a_notebook_shows_an_error_as_text():
    html = job(**FAILED)._repr_html_()

    assert "no_face: &lt;b&gt;No face&lt;/b&gt;" in html
    assert "<video" not in html


@pytest.mark.parametrize(
    "url", ['https://x/"><script>alert(1)</script>', "javascript:alert(1)", "data:text/html,x"]
)
def test_a_notebook_runs_no_foreign_code(url):
    html = job(model="<script>", result=JOB["result"] | {"url": url})._repr_html_()

    assert "<script" not in html
    assert "javascript:" not in html
    assert "data:" not in html


def test_a_picture_has_no_figures_of_a_video_and_is_shown_as_one():
    video = ("fps", "fps_fraction", "frames", "duration_seconds", "has_audio")
    picture = JOB["result"] | dict.fromkeys(video) | {"content_type": "image/png"}
    job = Job.from_json(JOB | {"result": picture | {"filename": "job_1.png"}})

    assert [getattr(job.result, name) for name in video] == [None] * 5
    assert job.result.suffix == ".png"
    assert "<img " in job._repr_html_()
    assert "size     0 kB" in summary(job, Path("a.png"))


def test_a_server_that_names_no_file_makes_videos():
    assert Job.from_json(JOB).result.suffix == ".mp4"
