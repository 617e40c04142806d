import numpy as np
import pytest

from models.faces.box import Box
from models.faces.tracking.box_smoothing import steadied
from models.faces.tracking.tracked_frame import Seen

FPS = 25
WIDTH = 100.0


def boxes(centers, smoothing=0.5):
    sights = (Seen(None, Box.about((x, 0), WIDTH, WIDTH)) for x in centers)
    return [seen.box for seen in steadied(sights, smoothing, FPS)]


def calmed(centers, smoothing=0.5):
    return np.array([box.center[0] for box in boxes(centers, smoothing)])


def tremble(count=200):
    return np.random.default_rng(1).normal(0, 1.5, count)


def test_a_tremble_is_calmed():
    values = 500 + tremble()

    assert np.std(np.diff(calmed(values))) < 0.15 * np.std(np.diff(values))


def test_no_smoothing_changes_nothing():
    values = 500 + tremble(30)

    assert calmed(values, smoothing=0) == pytest.approx(values)


@pytest.mark.parametrize("speed", [1, 8, 20])
def test_steady_motion_has_no_lag_from_its_first_frame_to_its_last(speed):
    values = speed * np.arange(60.0)

    assert calmed(values) == pytest.approx(values, abs=1e-6)


def test_a_sudden_start_is_followed_within_a_twentieth_of_a_face():
    values = np.clip(12.0 * (np.arange(100) - 50), 0, None)

    assert np.abs(calmed(values) - values).max() < 0.05 * WIDTH


def test_quick_nods_are_followed():
    values = 20 * np.sin(2 * np.pi * 1.5 * np.arange(100) / FPS)

    assert np.abs(calmed(values) - values).max() < 0.05 * WIDTH


def test_a_lone_outlier_is_left_out():
    values = np.full(60, 500.0)
    values[30] += 12

    assert np.abs(calmed(values) - 500).max() < 0.3


def test_landmarks_are_calmed_along_with_the_box():
    rough = [Box(500, 0, WIDTH, WIDTH, ((500 + shake, 40),)) for shake in tremble(60)]

    calm = [seen.box.points[0][0] for seen in steadied((Seen(None, b) for b in rough), 0.5, FPS)]

    assert np.std(np.diff(calm)) < 0.2 * np.std(np.diff(tremble(60)))


def test_a_jump_a_cut_and_a_gap_each_begin_anew():
    here, there = Box(0, 0, WIDTH, WIDTH), Box(300, 0, WIDTH, WIDTH)
    sights = [
        *[Seen(None, here)] * 9,
        *[Seen(None, there)] * 9,
        Seen(None, Box(310, 0, WIDTH, WIDTH), cut=True),
        *[Seen(None, Box(310, 0, WIDTH, WIDTH))] * 8,
        Seen(None, None),
        *[Seen(None, Box(330, 0, WIDTH, WIDTH))] * 9,
    ]

    calm = list(steadied(iter(sights), 1, FPS))

    found = [seen.box.numbers if seen.box else None for seen in calm]
    assert found == [pytest.approx(seen.box.numbers) if seen.box else None for seen in sights]


def test_few_frames_are_held():
    given = []

    def sights():
        for _ in range(200):
            given.append(Seen(None, Box(0, 0, 9, 9)))
            yield given[-1]

    held = [len(given) - place for place, _ in enumerate(steadied(sights(), 1, 60), start=1)]

    assert max(held) == 12


def test_the_least_smoothing_is_no_more_than_the_removal_of_outliers():
    values = np.arange(30.0)

    assert calmed(values, smoothing=0.05) == pytest.approx(values)
