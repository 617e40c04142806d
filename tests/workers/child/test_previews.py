"""Previews and notes of an attempt: limited in rate and size, and never fatal to a job."""

from __future__ import annotations

import math
import threading

import pytest
from structlog.testing import capture_logs

from workers.child.previews import MAX_NOTES_BYTES, MAX_PREVIEW_BYTES, JobNotes, PreviewBuffer

JPEG = b"\xff\xd8\xff\xe0 a picture"


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test advances."""

    class Clock:
        now = 1000.0

        def pass_by(self, seconds):
            self.now += seconds

    clock = Clock()
    monkeypatch.setattr("workers.child.previews.time.monotonic", lambda: clock.now)
    return clock


def offers(buffer, clock, *, seconds, times):
    """Offer a preview every `seconds`; returns how many were created."""
    made = []
    for _ in range(times):
        buffer.offer(lambda: made.append(1) or JPEG)
        clock.pass_by(seconds)
    return len(made)


@pytest.mark.parametrize(("period", "made"), [(2.0, 10), (0.1, 40), (60.0, 1), (0.0, 0)])
def test_at_most_one_preview_is_created_per_interval(clock, period, made):
    assert offers(PreviewBuffer(period), clock, seconds=0.5, times=40) == made


def test_previews_take_at_most_a_tenth_of_the_time(clock):
    buffer = PreviewBuffer(2.0)
    buffer.offer(lambda: clock.pass_by(1) or JPEG)

    assert offers(buffer, clock, seconds=0.5, times=18) == 0
    assert offers(buffer, clock, seconds=0.5, times=1) == 1


def test_a_preview_is_created_at_once_in_the_caller_s_thread(clock):
    threads = []

    PreviewBuffer(2.0).offer(lambda: threads.append(threading.current_thread()) or JPEG)

    assert threads == [threading.current_thread()]


def test_the_newest_preview_is_taken_once(clock):
    buffer = PreviewBuffer(2.0)
    for number in range(3):
        buffer.offer(lambda number=number: JPEG + bytes([number]))
        clock.pass_by(2)

    assert [buffer.take(), buffer.take()] == [JPEG + b"\2", None]


def crash():
    raise RuntimeError("the latents are not ready")


BAD = {
    "too large": lambda: JPEG + bytes(MAX_PREVIEW_BYTES),
    "no jpeg": lambda: b"\x89PNG",
    "no bytes": lambda: "a picture",
    "raises": crash,
}


@pytest.mark.parametrize("make", BAD.values(), ids=BAD)
def test_a_bad_preview_is_dropped_with_one_warning(clock, make):
    buffer = PreviewBuffer(2.0)

    with capture_logs() as logs:
        for _ in range(3):
            buffer.offer(make)
            clock.pass_by(2)

    assert buffer.take() is None
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [
        ("preview dropped", "warning")
    ]
    buffer.offer(lambda: JPEG)
    assert buffer.take() == JPEG


def test_notes_are_merged_and_copied():
    notes, plan = JobNotes(), {"offload": False}
    notes.add({"width": 832, "plan": plan})
    plan["offload"] = True
    notes.add({"frames": 81, "width": 640})

    assert notes.values == {"width": 640, "plan": {"offload": False}, "frames": 81}


@pytest.mark.parametrize(
    "value",
    [math.nan, object(), "\0", "\ud800", "x" * MAX_NOTES_BYTES],
    ids=["nan", "object", "nul", "surrogate", "long"],
)
def test_notes_that_the_database_cannot_store_are_dropped_with_one_warning(value):
    notes = JobNotes()
    notes.add({"width": 832})

    with capture_logs() as logs:
        for _ in range(2):
            notes.add({"odd": value})

    assert notes.values == {"width": 832}
    assert [entry["event"] for entry in logs] == ["notes dropped"]
