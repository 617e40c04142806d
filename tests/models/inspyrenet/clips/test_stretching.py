"""Opacity is stretched by the frames around each one, and empty frames stay empty."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from models.inspyrenet.clips import stretching
from models.inspyrenet.clips.stretching import AROUND, stretch
from models.inspyrenet.saliency import sigmoid
from tests.models.inspyrenet.clips.frames import disc, frame, logits, picture

RGB = picture(disc(32))


def clip(values, cuts=()):
    return [frame(n, RGB, each, cut=n in cuts) for n, each in enumerate(values)]


def noise(seed, highest=-1.0):
    """Logits of a frame in which the network found nothing."""
    return np.random.default_rng(seed).uniform(-5, highest, (64, 64)).astype(np.float32)


def test_noise_of_empty_frames_becomes_no_foreground():
    frames = clip([noise(seed) for seed in range(30)])

    mattes = list(stretch(frames, "clip"))

    assert all(matte.empty and matte.values.max() == 0 for matte in mattes)


def test_the_same_frames_flash_if_each_is_stretched_alone():
    mattes = list(stretch(clip([noise(seed) for seed in range(3)]), "frame"))

    assert all(matte.values.max() > 0.99 for matte in mattes)


@pytest.mark.parametrize("highest", [0.4, 3.0])
def test_one_frame_of_noise_among_empty_ones_does_not_flash(highest):
    values = [noise(seed) for seed in range(20)]
    values[10] = noise(99, highest)

    mattes = list(stretch(clip(values), "clip"))

    assert max(matte.values.max() for matte in mattes) == 0


def test_one_weak_frame_does_not_make_the_object_vanish():
    values = [logits(disc(32)) for _ in range(20)]
    values[10] = logits(disc(32), high=-0.3)

    mattes = list(stretch(clip(values), "clip"))

    assert not any(matte.empty for matte in mattes)
    assert mattes[10].values[32, 32] > 0.4


def test_one_bright_pixel_does_not_change_the_opacity_of_the_rest():
    values = [logits(disc(32), -2, 2) for _ in range(40)]
    for number in range(0, 40, 5):
        values[number][0, 0] = 8

    def change(normalize):
        inside = [matte.values[32, 32] for matte in stretch(clip(values), normalize)]
        return np.abs(np.diff(inside)).max()

    assert change("clip") < 0.01
    assert change("frame") > 0.1


def test_none_is_the_probability_itself():
    (matte,) = stretch(clip([logits(disc(32), -1, 1)]), "none")

    assert np.array_equal(matte.values, sigmoid(logits(disc(32), -1, 1)))


def test_a_range_ends_at_a_cut():
    bright, weak = logits(disc(32), -6, 6), logits(disc(32), -1, 1)
    mattes = list(stretch(clip([bright] * 10 + [weak] * 10, cuts={10}), "clip"))

    assert mattes[9].values[0, 0] == 0
    assert mattes[10].values.min() == 0
    assert mattes[10].values.max() == pytest.approx(1, abs=1e-4)


def test_frames_come_in_order_and_not_later_than_a_second():
    taken = []

    def source():
        for each in clip([logits(disc(32))] * 40):
            taken.append(each)
            yield each

    for number, matte in enumerate(stretch(source(), "clip")):
        assert matte.frame.begin == Fraction(number, 25)
        assert len(taken) <= number + AROUND + 1


def test_large_frames_look_less_far_ahead(monkeypatch):
    monkeypatch.setattr(stretching, "HELD_BYTES", 4 * RGB.nbytes)
    taken = []
    frames = (taken.append(each) or each for each in clip([logits(disc(32))] * 20))

    next(stretch(frames, "clip"))

    assert len(taken) == 3
