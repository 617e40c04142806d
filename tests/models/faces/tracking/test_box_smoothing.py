import numpy as np
import pytest

from models.faces.box import Box
from models.faces.tracking.box_smoothing import smooth_boxes
from models.faces.tracking.tracked_frame import TrackedFrame

FPS = 25
WIDTH = 100.0


def boxes(centers, smoothing=0.5):
    frames = (TrackedFrame(None, Box.centered_at((x, 0), WIDTH, WIDTH)) for x in centers)
    return [seen.box for seen in smooth_boxes(frames, smoothing, FPS)]


def smoothed(centers, smoothing=0.5):
    return np.array([box.center[0] for box in boxes(centers, smoothing)])


def jitter(count=200):
    return np.random.default_rng(1).normal(0, 1.5, count)


def test_jitter_is_smoothed():
    values = 500 + jitter()

    assert np.std(np.diff(smoothed(values))) < 0.15 * np.std(np.diff(values))


def test_no_smoothing_changes_nothing():
    values = 500 + jitter(30)

    assert smoothed(values, smoothing=0) == pytest.approx(values)


@pytest.mark.parametrize("speed", [1, 8, 20])
def test_steady_motion_has_no_lag_from_its_first_frame_to_its_last(speed):
    values = speed * np.arange(60.0)

    assert smoothed(values) == pytest.approx(values, abs=1e-6)


def test_a_sudden_start_lags_by_less_than_a_twentieth_of_a_face():
    values = np.clip(12.0 * (np.arange(100) - 50), 0, None)

    assert np.abs(smoothed(values) - values).max() < 0.05 * WIDTH


def test_quick_nods_are_not_smoothed_away():
    values = 20 * np.sin(2 * np.pi * 1.5 * np.arange(100) / FPS)

    assert np.abs(smoothed(values) - values).max() < 0.05 * WIDTH


def test_a_single_outlier_is_removed():
    values = np.full(60, 500.0)
    values[30] += 12

    assert np.abs(smoothed(values) - 500).max() < 0.3


def test_landmarks_are_smoothed_with_the_box():
    rough = [Box(500, 0, WIDTH, WIDTH, ((500 + shake, 40),)) for shake in jitter(60)]

    calm = [
        seen.box.points[0][0]
        for seen in smooth_boxes((TrackedFrame(None, b) for b in rough), 0.5, FPS)
    ]

    assert np.std(np.diff(calm)) < 0.2 * np.std(np.diff(jitter(60)))


def test_smoothing_restarts_after_a_jump_a_cut_and_a_gap():
    here, there = Box(0, 0, WIDTH, WIDTH), Box(300, 0, WIDTH, WIDTH)
    frames = [
        *[TrackedFrame(None, here)] * 9,
        *[TrackedFrame(None, there)] * 9,
        TrackedFrame(None, Box(310, 0, WIDTH, WIDTH), cut=True),
        *[TrackedFrame(None, Box(310, 0, WIDTH, WIDTH))] * 8,
        TrackedFrame(None, None),
        *[TrackedFrame(None, Box(330, 0, WIDTH, WIDTH))] * 9,
    ]

    calm = list(smooth_boxes(iter(frames), 1, FPS))

    found = [seen.box.vector if seen.box else None for seen in calm]
    assert found == [pytest.approx(seen.box.vector) if seen.box else None for seen in frames]


def test_at_most_twelve_frames_are_held():
    given = []

    def frames():
        for _ in range(200):
            given.append(TrackedFrame(None, Box(0, 0, 9, 9)))
            yield given[-1]

    held = [len(given) - place for place, _ in enumerate(smooth_boxes(frames(), 1, 60), start=1)]

    assert max(held) == 12


def test_minimal_smoothing_only_removes_outliers():
    values = np.arange(30.0)

    assert smoothed(values, smoothing=0.05) == pytest.approx(values)
