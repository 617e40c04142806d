import cv2
import numpy as np
import pytest

from models.faces.tracking.cuts import CutDetector


def cuts(*frames):
    is_cut = CutDetector()
    return [is_cut(frame) for frame in frames]


def title(like):
    frame = np.zeros_like(like)
    return cv2.putText(frame, "TITLE", (60, 250), 0, 4, (255, 255, 255), 9)


def shifted(frame, by):
    return cv2.warpAffine(
        frame,
        np.float32([[1, 0, by], [0, 1, 0]]),
        frame.shape[1::-1],
        borderMode=cv2.BORDER_REFLECT,
    )


def test_another_scene_is_a_cut_and_the_first_frame_is_not(smiling, portrait):
    assert cuts(smiling, smiling, portrait, portrait) == [False, False, True, False]


def test_a_title_card_is_a_scene_of_its_own(smiling):
    assert cuts(smiling, title(smiling), title(smiling), smiling) == [False, True, False, True]


@pytest.mark.parametrize("level", [0, 255])
def test_a_frame_of_one_color_is_a_scene_of_its_own(smiling, level):
    assert cuts(smiling, np.full_like(smiling, level), smiling) == [False, True, True]


def test_a_fast_pan_is_not_a_cut(smiling):
    assert not any(cuts(*(shifted(smiling, by) for by in range(0, 300, 48))))


def test_a_flash_is_not_a_cut(smiling):
    bright = np.clip(smiling.astype(int) + 120, 0, 255).astype(np.uint8)

    assert not any(cuts(smiling, bright, smiling))


def test_a_fade_to_black_is_not_a_cut_until_it_is_black(smiling):
    assert not any(cuts(*((smiling * part).astype(np.uint8) for part in np.arange(1, 0.1, -0.15))))


def test_grain_is_not_a_cut(smiling):
    rng = np.random.default_rng(1)
    dark = [rng.integers(0, 30, (240, 320, 3), dtype=np.uint8) for _ in range(4)]

    assert not any(cuts(*dark))


def test_tiny_frames_can_be_compared():
    assert cuts(np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 200, np.uint8)) == [False, True]
