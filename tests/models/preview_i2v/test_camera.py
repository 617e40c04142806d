import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.preview_i2v.camera import MAX_ZOOM, random_move, render_view, smootherstep

SEEDS = st.integers(0, 2**32 - 1)
SIZE = (160, 96)
SMALL = 1e-9


@given(SEEDS, st.floats(0, 1))
def test_the_camera_stays_within_the_image(seed, way):
    share, left, top = random_move(seed).view(way)

    for edge in (left, top):
        assert -SMALL <= edge <= 1 - share + SMALL


@given(SEEDS)
def test_every_move_is_visible_and_starts_with_the_whole_image(seed):
    move = random_move(seed)

    assert move.view(0) == (1, 0, 0)
    assert 1 / MAX_ZOOM <= move.view(1)[0] < 0.9


def test_the_seed_selects_the_move():
    assert random_move(1) == random_move(1)
    assert len({random_move(seed) for seed in range(20)}) == 20


def test_the_move_starts_and_ends_at_rest():
    way = np.array([smootherstep(time) for time in np.linspace(0, 1, 101)])
    speed = np.diff(way)

    assert (way[0], way[-1]) == (0, 1)
    assert speed.min() > 0
    assert speed[[0, -1]].max() < 0.01 * speed.max()
    assert np.abs(np.diff(speed)).max() < 0.1 * speed.max()


@pytest.mark.parametrize("seed", range(4))
def test_a_point_moves_smoothly_and_not_by_whole_pixels(seed):
    still = np.zeros((120, 200, 3), np.uint8)
    still = cv2.GaussianBlur(cv2.circle(still, (90, 70), 14, (255,) * 3, -1), (0, 0), 4)
    move = random_move(seed)
    times = np.linspace(0, 1, 81)

    way = np.array(
        [_center(render_view(still, move.view(smootherstep(time)), SIZE)) for time in times]
    )

    jerk = np.abs(np.diff(way, n=2, axis=0)).max()
    assert np.abs(np.diff(way, axis=0)).max() < 1
    assert jerk < 0.06


def test_the_whole_view_is_the_resized_still():
    still = cv2.GaussianBlur(
        np.random.default_rng(1).integers(0, 256, (120, 200, 3), np.uint8), (0, 0), 1
    )

    whole = render_view(still, (1, 0, 0), SIZE)

    assert np.abs(whole.astype(int) - cv2.resize(still, SIZE)).max() <= 2


def _center(frame):
    weight = frame[..., 0].astype(float)
    rows, columns = np.indices(weight.shape)
    return (columns * weight).sum() / weight.sum(), (rows * weight).sum() / weight.sum()
