"""Edges become steady where the picture stands still, and nothing lags where it moves."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest

from models.inspyrenet.clips.smoothing import smooth
from models.inspyrenet.saliency import sigmoid
from tests.models.inspyrenet.clips.frames import disc, frame, logits, picture


def still_clip(values):
    rgb = picture(disc(32))
    return [frame(number, rgb, each) for number, each in enumerate(values)]


def flicker(frames):
    maps = [sigmoid(each.logits) for each in frames]
    return np.mean([np.abs(b - a).mean() for a, b in pairwise(maps)])


@pytest.mark.parametrize("flow", [False, True])
def test_jitter_of_a_still_picture_falls(flow):
    chance = np.random.default_rng(3)
    jitter = [
        disc(32 + chance.uniform(-1.5, 1.5), 32, 14 + chance.uniform(-1, 1)) for _ in "x" * 30
    ]
    frames = still_clip([logits(each) for each in jitter])

    smoothed = list(smooth(frames, flow=flow))

    assert [each.begin for each in smoothed] == [each.begin for each in frames]
    assert flicker(smoothed) < 0.5 * flicker(frames)


@pytest.mark.parametrize("flow", [False, True])
def test_an_object_that_drops_out_of_one_frame_stays(flow):
    values = [logits(disc(32)) for _ in range(7)]
    values[3] = np.full_like(values[3], -6.0)

    smoothed = list(smooth(still_clip(values), flow=flow))

    assert sigmoid(smoothed[3].logits)[32, 32] > 0.95


def test_a_small_thing_that_moves_fast_is_not_erased():
    places = range(8, 56, 12)
    shapes = [disc(x, 32, 4) for x in places]
    frames = [frame(number, picture(shape), logits(shape)) for number, shape in enumerate(shapes)]

    smoothed = list(smooth(frames, flow=False))

    for place, each in zip(places, smoothed, strict=True):
        assert sigmoid(each.logits)[32, place] > 0.95


def test_flow_follows_what_moves_slowly():
    shapes = [disc(80 + 3 * number, 128, 60, side=256) for number in range(8)]
    chance = np.random.default_rng(5)
    jitter = [chance.normal(0, 4, (256, 256)).astype(np.float32) for _ in shapes]
    frames = [
        frame(number, blurred(shape), logits(shape) + noise)
        for number, (shape, noise) in enumerate(zip(shapes, jitter, strict=True))
    ]

    def error(smoothed):
        pairs = list(zip(smoothed, shapes, strict=True))[2:-1]
        return np.mean([np.abs(sigmoid(each.logits) - shape).mean() for each, shape in pairs])

    assert error(smooth(frames, flow=True)) < 0.6 * error(frames)


def blurred(shape):
    return cv2.GaussianBlur(picture(shape), (0, 0), 3)


def test_nothing_crosses_a_cut():
    rgb = picture(disc(32))
    values = [logits(disc(32))] * 3 + [np.full((64, 64), -6.0, np.float32)] * 3
    frames = [frame(n, rgb, each, cut=n == 3) for n, each in enumerate(values)]

    smoothed = list(smooth(frames, flow=False))

    assert all(np.array_equal(a.logits, b.logits) for a, b in zip(frames, smoothed, strict=True))


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_clips_of_a_few_frames_keep_all_of_them(count):
    frames = still_clip([logits(disc(32))] * count)

    assert len(list(smooth(frames, flow=False))) == count
