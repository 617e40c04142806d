"""Progress of an attempt: percentage, timings, stalls and remaining time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jobs.states import Phase
from workers.child.progress import ProgressTracker


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test advances."""

    class Clock:
        now = 1000.0

        def pass_by(self, seconds):
            self.now += seconds

    clock = Clock()
    monkeypatch.setattr("workers.child.progress.time.monotonic", lambda: clock.now)
    return clock


@pytest.fixture
def tracker(clock):
    return ProgressTracker(timedelta(seconds=100))


def walk(tracker, clock, *, steps, seconds, total=None, phase=Phase.GENERATING):
    tracker.update(phase, 0, total)
    for step in range(1, steps + 1):
        clock.pass_by(seconds)
        tracker.update(phase, step, total)


@pytest.mark.parametrize(
    ("steps", "progress"),
    [
        ((0, None), {}),
        ((4, None), {"step": 4}),
        ((0, 8), {"percent": 0.0, "step": 0, "steps": 8}),
        ((2, 8), {"percent": 25.0, "step": 2, "steps": 8}),
        ((9, 8), {"percent": 100.0, "step": 9, "steps": 8, "eta_seconds": 0.0}),
    ],
)
def test_progress_has_a_percentage_only_if_the_total_is_known(tracker, steps, progress):
    tracker.update(Phase.GENERATING, *steps)

    assert tracker.progress == progress


def test_the_part_holds_until_the_next_one_or_the_end_of_the_phase(tracker):
    tracker.update(Phase.GENERATING, 2, 8, (1, 2))
    tracker.update(Phase.GENERATING, 3, 8)
    held = tracker.progress
    tracker.update(Phase.GENERATING, 5, 8, (2, 2))
    following = tracker.progress
    tracker.update(Phase.ENCODING, 1, 2)

    assert (held["part"], held["parts"]) == (1, 2)
    assert (following["part"], following["parts"]) == (2, 2)
    assert "part" not in tracker.progress


@pytest.mark.parametrize("phase", [Phase.DOWNLOADING_WEIGHTS, Phase.UPLOADING])
def test_phases_in_bytes_also_report_bytes(tracker, phase):
    tracker.update(phase, 44, 70)

    in_bytes = {"done_bytes": 44, "total_bytes": 70}
    assert tracker.progress == {"percent": 62.9, "step": 44, "steps": 70} | in_bytes


def test_timings_add_up_the_seconds_of_each_phase(tracker, clock):
    clock.pass_by(1)
    for phase, seconds in ((Phase.GENERATING, 2), (Phase.ENCODING, 3), (Phase.GENERATING, 4)):
        tracker.update(phase)
        clock.pass_by(seconds)

    assert tracker.timings == {"starting": 1.0, "generating": 6.0, "encoding": 3.0}


def test_no_report_for_longer_than_the_limit_is_a_stall(tracker, clock):
    tracker.update(Phase.LOADING_MODEL)

    clock.pass_by(99)
    assert not tracker.stalled
    clock.pass_by(2)
    assert tracker.stalled


@pytest.mark.parametrize("phase", Phase)
def test_bytes_and_steps_count_as_progress_in_every_phase(tracker, clock, phase):
    for done in range(5):
        tracker.update(phase, done, 10)
        clock.pass_by(99)

    assert not tracker.stalled


@pytest.mark.parametrize("phase", [Phase.DOWNLOADING_WEIGHTS, Phase.LOADING_MODEL])
def test_repeating_the_same_figure_while_waiting_is_no_progress(tracker, clock, phase):
    tracker.update(phase, 5, 10)
    for _ in range(3):
        clock.pass_by(40)
        tracker.update(phase, 5, 10)

    assert tracker.stalled
    tracker.update(phase, 6, 10)
    assert not tracker.stalled


def test_a_model_with_slow_steps_may_take_twenty_of_them_without_a_report(tracker, clock):
    walk(tracker, clock, steps=5, seconds=30)

    assert tracker.stall_seconds == 600
    tracker.update(Phase.ENCODING)
    assert tracker.stall_seconds == 100


def test_one_slow_step_among_many_does_not_raise_the_limit(tracker, clock):
    walk(tracker, clock, steps=9, seconds=1)
    clock.pass_by(90)
    tracker.update(Phase.GENERATING, 10)

    assert tracker.stall_seconds == 100


def test_a_large_upload_gets_time_by_its_size(tracker):
    tracker.update(Phase.UPLOADING, 0, 50_000_000)

    assert tracker.stall_seconds == 200


def test_the_remaining_time_follows_from_the_pace_so_far(tracker, clock):
    assert tracker.remaining_seconds is None
    walk(tracker, clock, steps=4, seconds=5, total=10)

    assert tracker.remaining_seconds == 30
    clock.pass_by(4)
    assert tracker.remaining_seconds == 36


@pytest.mark.parametrize("phase", [Phase.ENCODING, Phase.UPLOADING])
def test_after_the_last_step_no_time_remains(tracker, clock, phase):
    walk(tracker, clock, steps=10, seconds=5, total=10)
    tracker.update(phase)

    assert tracker.remaining_seconds == 0


def test_the_remaining_time_is_known_between_two_chunks_of_frames(tracker, clock):
    walk(tracker, clock, steps=5, seconds=2, total=10)
    tracker.update(Phase.ENCODING)
    clock.pass_by(50)

    assert tracker.remaining_seconds == 10


@pytest.mark.parametrize("phase", [Phase.LOADING_MODEL, Phase.FETCHING_INPUTS, Phase.GENERATING])
def test_before_the_first_step_the_remaining_time_is_unknown(tracker, phase):
    tracker.update(phase, 0, 10)

    assert tracker.remaining_seconds is None


@pytest.mark.parametrize(("steps", "seconds"), [(3, 0.5), (1, 2.0)])
def test_progress_has_an_eta_after_a_few_steps_or_seconds(tracker, clock, steps, seconds):
    walk(tracker, clock, steps=steps, seconds=seconds, total=10)

    assert tracker.progress["eta_seconds"] == seconds * (10 - steps)


def test_the_eta_falls_and_exists_only_while_generating(tracker, clock):
    walk(tracker, clock, steps=2, seconds=0.9, total=10)
    assert "eta_seconds" not in tracker.progress
    seconds_left = []
    for step in range(3, 11):
        clock.pass_by(0.9)
        tracker.update(Phase.GENERATING, step, 10)
        seconds_left.append(tracker.progress["eta_seconds"])

    assert seconds_left == [6.3, 5.4, 4.5, 3.6, 2.7, 1.8, 0.9, 0.0]
    tracker.update(Phase.UPLOADING, 50, 100)
    assert "eta_seconds" not in tracker.progress
