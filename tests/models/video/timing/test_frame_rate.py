from fractions import Fraction

import numpy as np
import pytest

from models.errors import InputRejected
from models.video.probe import probe
from models.video.timing import frame_rate
from tests.models.video import media

MILLI = Fraction(1, 1000)
NTSC = Fraction(30000, 1001)


def rounded(rate, count, tick=MILLI):
    return [round(n / rate / tick) for n in range(count)]


CONSTANT = [Fraction(n) for n in (1, 12, 15, 24, 25, 30, 50, 60, 120)] + [NTSC]


@pytest.mark.parametrize("rate", CONSTANT, ids=str)
@pytest.mark.parametrize("tick", [MILLI, Fraction(1, 90_000)], ids=str)
def test_a_constant_rate_is_the_declared_one_however_its_times_are_rounded(rate, tick):
    assert frame_rate.measured(rate, rounded(rate, 500, tick), tick) == rate


def test_jitter_below_a_frame_does_not_change_the_rate():
    jitter = np.random.default_rng(5).integers(-9, 10, 600)
    times = [40 * n + int(late) for n, late in enumerate(jitter)]

    assert frame_rate.measured(Fraction(25), times, MILLI) == 25


VARIABLE = {
    "held, then 25": ([0, *range(4840, 5840, 40)], Fraction(325, 133), 25),
    "30 with a third dropped": (
        [time for n, time in enumerate(rounded(Fraction(30), 900)) if n % 3],
        20,
        30,
    ),
    "60 and 30 in turns": (
        [*range(0, 16_000, 16), *range(16_000, 49_000, 33)],
        40,
        60,
    ),
    "declared as a thousand": (
        [time for n, time in enumerate(rounded(Fraction(30), 300)) if n % 20],
        120,
        30,
    ),
    "NTSC with one frame in 40 dropped": (
        [time for n, time in enumerate(rounded(NTSC, 300)) if n % 40],
        NTSC,
        NTSC,
    ),
    "bursts a millisecond apart": ([t + n for t in range(0, 9000, 500) for n in range(5)], 10, 60),
    "slides of any length": ([0, 5000, 7000, 19_000, 19_500], 1, 2),
}


@pytest.mark.parametrize("name", VARIABLE)
def test_a_variable_rate_is_that_of_its_moving_moments(name):
    times, declared, expected = VARIABLE[name]

    assert frame_rate.measured(Fraction(declared), times, MILLI) == expected


@pytest.mark.parametrize("times", [[], [7], [7, 7]])
def test_less_than_two_frames_have_the_declared_rate(times):
    assert frame_rate.measured(Fraction(25), times, MILLI) == 25


def test_decoding_order_does_not_matter():
    times = [0, 160, 80, 40, 120, 320, 240, 200, 280]

    assert frame_rate.measured(Fraction(25), times, MILLI) == 25


@pytest.mark.parametrize(
    ("rate", "shown"),
    [(1, 24), (Fraction(1, 3), 24), (10, 30), (15, 30), (NTSC / 2, NTSC), (20, 40)],
    ids=str,
)
def test_a_slow_rate_becomes_a_multiple_of_at_least_24(rate, shown):
    assert frame_rate.fluent(Fraction(rate)) == shown


@pytest.mark.parametrize("rate", [Fraction(24000, 1001), 24, 25, NTSC, 60], ids=str)
def test_a_fluent_rate_is_kept(rate):
    assert frame_rate.fluent(Fraction(rate)) == rate


def test_the_probe_and_the_reader_measure_the_same_rate(tmp_path):
    times = [0, *range(840, 1840, 40)]
    pictures = [media.numbered(n) for n in range(len(times))]
    path = media.clip(tmp_path / "clip.mp4", pictures, times=times, time_base=MILLI)

    assert probe(path).video.fps == frame_rate.of_file(path) == 25


def test_a_frame_that_a_wrong_time_stamp_prolongs_leaves_a_rate_above_zero():
    """A rate of 0 ended reading with a ZeroDivisionError."""
    assert frame_rate.measured(Fraction(25), [0, 2**31 - 1], Fraction(1, 600)) == Fraction(1, 1001)


def test_times_too_far_apart_to_subtract_are_unreadable():
    with pytest.raises(InputRejected) as refused:
        frame_rate.measured(Fraction(25), [-(2**62), 0, 2**62], Fraction(1, 600))

    assert refused.value.code == "media_unreadable"
