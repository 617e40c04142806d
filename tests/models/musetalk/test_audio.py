"""The audio window of each frame."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from models.musetalk import audio
from models.musetalk.audio import positional_encoding, window_indices
from tests.models.golden import figures

FACTS = figures.read("musetalk")
CASES = FACTS["whisper_windows"]["cases"]
NTSC = Fraction(30_000, 1001)


def seconds(samples):
    return samples / audio.RATE


def test_the_positional_encoding_equals_the_authors_code():
    figures.assert_like(positional_encoding(50, 384), FACTS["positional_encoding"], atol=1e-5)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['samples']} at {case['fps']}")
def test_upstream_windows_equal_the_authors_code(case):
    found = window_indices(seconds(case["samples"]), case["fps"], upstream=True)

    assert len(found) == case["frames"]
    assert found[:4] == case["first"]
    assert found[-4:] == case["last"]


@pytest.mark.parametrize("case", [case for case in CASES if case["fps"] == int(case["fps"])])
def test_at_whole_rates_our_windows_equal_the_authors(case):
    found = window_indices(seconds(case["samples"]), case["fps"])

    assert found == window_indices(seconds(case["samples"]), case["fps"], upstream=True)


def test_at_a_fractional_rate_the_sound_does_not_drift():
    minutes = window_indices(600, NTSC)

    assert len(minutes) == int(600 * NTSC)
    assert minutes[-1][4] == int((len(minutes) - 1) * 50 / NTSC) + 1


@pytest.mark.parametrize("rate", [29.97, 59.94, 23.976, NTSC, Fraction(24_000, 1001), 12, 60, 120])
def test_at_every_rate_a_window_is_around_the_time_of_its_frame(rate):
    for frame, window in enumerate(window_indices(2.2, rate)):
        first = int(frame * 50 / Fraction(rate).limit_denominator(10**6)) - audio.LEAD
        wanted = range(first + 1, first + 11)
        assert window == [step if 1 <= step <= 110 else 0 for step in wanted]


def test_a_length_given_as_a_float_is_exact():
    assert len(window_indices(0.29, 100)) == 29
    assert max(map(max, window_indices(0.58, 25))) == 29


@pytest.mark.parametrize("samples", [1, 319, 480_000, 480_001, 480_321, 928_000, 1_500_123])
@pytest.mark.parametrize("block", [1_600, 700_000])
def test_segments_give_each_step_once(samples, block):
    sound = np.arange(samples, dtype=np.float32)
    blocks = [sound[start : start + block] for start in range(0, samples, block)]

    steps, last = [], None
    for last in audio.segments(blocks):
        assert len(last.samples) <= 480_000
        steps += [last.samples[(last.skip + step) * 320] for step in range(last.keep)]

    assert steps == list(sound[: samples // 320 * 320 : 320])
    assert last.end == Fraction(samples, 16_000)


def test_the_inner_ends_of_segments_are_only_context():
    found = list(audio.segments([np.zeros(1_500_000, np.float32)]))

    assert [(s.skip, s.keep, s.end is None) for s in found] == [
        *[(0, 1450, True), (50, 1400, True), (50, 1400, True)],
        (50, 437, False),
    ]


def test_no_sound_gives_no_segment():
    assert list(audio.segments([])) == []


@pytest.mark.parametrize("fps", [25, 30, NTSC, 60, 3])
@pytest.mark.parametrize("samples", [16_000, 72_345, 6_000])
def test_streamed_windows_match_the_window_indices(fps, samples):
    steps = np.arange(1, samples // 320 + 1, dtype=np.float32)
    stretches = [(part.repeat(10).reshape(-1, 5, 2), None) for part in np.array_split(steps, 3)]
    stretches[-1] = stretches[-1][0], Fraction(samples, 16_000)

    found = list(audio.windows(stretches, fps))

    expected = window_indices(samples / 16_000, fps)
    assert all(window.shape == (50, 2) for window in found)
    assert [window[::5, 0].tolist() for window in found[: len(expected)]] == expected
    assert len(found) == -(-samples * Fraction(fps) // 16_000)


@pytest.mark.parametrize("offset", [Fraction(1, 2), Fraction(-1, 2), Fraction(-1, 25)])
def test_an_offset_moves_windows_later_or_earlier(offset):
    steps = np.arange(1, 101, dtype=np.float32)
    stretches = [(part.reshape(-1, 1, 1), None) for part in np.array_split(steps, 4)]
    stretches[-1] = stretches[-1][0], Fraction(2)

    found = list(audio.windows(stretches, 25, frames=80, offset=offset))

    assert len(found) == 80
    for frame, window in enumerate(found):
        first = 2 * frame + int(50 * offset) - audio.LEAD + 1
        wanted = range(first, first + 10)
        assert window[:, 0].tolist() == [step if 1 <= step <= 100 else 0 for step in wanted]


def test_there_are_as_many_windows_as_requested():
    steps = np.zeros((100, 1, 1), np.float32)

    assert len(list(audio.windows([(steps, None), (steps, Fraction(4))], 25, frames=30))) == 30


def test_the_layers_of_a_step_are_adjacent():
    steps = np.arange(20 * 5 * 3, dtype=np.float32).reshape(20, 5, 3)

    window = list(audio.windows([(steps, Fraction(2, 5))], 25))[2]

    assert (window == steps[:10].reshape(50, 3)).all()
