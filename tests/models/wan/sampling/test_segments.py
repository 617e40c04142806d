"""The seam between two segments is invisible."""

from __future__ import annotations

import numpy as np

from models.wan.sampling.segments import ColorMatch, TailBuffer, crossfade, join


def flat(*values):
    return [np.full((8, 8, 3), value, np.uint8) for value in values]


def textured(mean, spread, count=3):
    random = np.random.default_rng(5)
    image = random.normal(mean, spread, (32, 32, 3)).clip(0, 255)
    return [image.astype(np.uint8)] * count


def test_a_tail_buffer_holds_back_the_last_frames_in_order():
    tail = TailBuffer(2)

    through = [int(frame[0, 0, 0]) for frame in tail.hold_back(flat(1, 2, 3, 4, 5))]

    assert through == [1, 2, 3]
    assert [int(frame[0, 0, 0]) for frame in tail.frames] == [4, 5]


def test_a_tail_buffer_of_size_zero_holds_nothing_back():
    assert len(list(TailBuffer(0).hold_back(flat(1, 2, 3)))) == 3


def test_colors_are_matched_to_the_previous_segment():
    old, new = textured(120, 20), textured(90, 18)

    matched = [ColorMatch.fit(new, old)(frame) for frame in new]

    assert abs(np.mean(matched) - np.mean(old)) < 1
    assert abs(np.std(matched) - np.std(old)) < 1


def test_the_gain_of_contrast_is_limited():
    matched = ColorMatch.fit(textured(90, 2), textured(120, 60))(textured(90, 2)[0])

    assert np.std(matched) < 2 * 1.4


def test_a_seam_crossfades_two_segments():
    seam = list(crossfade(flat(0, 0, 0), flat(200, 200, 200)))

    assert [int(frame[0, 0, 0]) for frame in seam] == [50, 100, 150]


def test_a_joined_segment_keeps_its_number_of_frames_without_a_jump():
    before, segment = textured(120, 20, 2), textured(90, 18, 5)

    frames = list(join(iter(segment), before))

    means = [float(np.mean(frame)) for frame in (*before, *frames)]
    assert len(frames) == 5
    assert max(np.abs(np.diff(means))) < 1.5
