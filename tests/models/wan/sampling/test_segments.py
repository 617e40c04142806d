"""Where two segments meet nobody shall see it."""

from __future__ import annotations

import numpy as np

from models.wan.sampling.segments import Match, Tail, blended, joined


def flat(*values):
    return [np.full((8, 8, 3), value, np.uint8) for value in values]


def textured(mean, spread, count=3):
    random = np.random.default_rng(5)
    picture = random.normal(mean, spread, (32, 32, 3)).clip(0, 255)
    return [picture.astype(np.uint8)] * count


def test_a_tail_keeps_the_last_frames_back_and_the_order():
    tail = Tail(2)

    through = [int(frame[0, 0, 0]) for frame in tail.through(flat(1, 2, 3, 4, 5))]

    assert through == [1, 2, 3]
    assert [int(frame[0, 0, 0]) for frame in tail.frames] == [4, 5]


def test_a_tail_of_none_lets_all_through():
    assert len(list(Tail(0).through(flat(1, 2, 3)))) == 3


def test_colors_come_to_those_of_the_segment_before():
    old, new = textured(120, 20), textured(90, 18)

    matched = [Match.of(new, old)(frame) for frame in new]

    assert abs(np.mean(matched) - np.mean(old)) < 1
    assert abs(np.std(matched) - np.std(old)) < 1


def test_contrast_is_not_invented():
    matched = Match.of(textured(90, 2), textured(120, 60))(textured(90, 2)[0])

    assert np.std(matched) < 2 * 1.4


def test_a_seam_fades_from_one_segment_into_the_other():
    seam = list(blended(flat(0, 0, 0), flat(200, 200, 200)))

    assert [int(frame[0, 0, 0]) for frame in seam] == [50, 100, 150]


def test_a_joined_segment_has_as_many_frames_as_it_brings_and_no_jump():
    before, segment = textured(120, 20, 2), textured(90, 18, 5)

    frames = list(joined(iter(segment), before))

    means = [float(np.mean(frame)) for frame in (*before, *frames)]
    assert len(frames) == 5
    assert max(np.abs(np.diff(means))) < 1.5
