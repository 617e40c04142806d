from fractions import Fraction

import numpy as np
import pytest

from models.errors import InputRejected
from models.mouth.voice_openings import measure, openings
from tests.models.preview_lipsync.preview_media import RATE, VOICES, read_wav

FPS = Fraction(25)


def blocks(samples, size=1600):
    return (samples[start : start + size] for start in range(0, len(samples), size))


def opened(samples, fps=FPS, openness=1.0):
    return np.array([o.open for o in openings(measure(blocks(samples), fps), openness)])


@pytest.fixture(scope="module")
def speech():
    return read_wav(VOICES["example"])


def test_there_is_one_window_for_each_started_video_frame(speech):
    assert len(opened(speech)) == int(np.ceil(len(speech) * 25 / RATE))


def test_windows_of_an_uneven_rate_do_not_drift(speech):
    fps = Fraction(30000, 1001)

    assert len(opened(speech, fps)) == int(np.ceil(len(speech) * fps / RATE))


def test_the_size_of_the_blocks_does_not_matter(speech):
    small, large = measure(blocks(speech, 100), FPS), measure(blocks(speech, 50_000), FPS)

    assert small.level == pytest.approx(large.level, abs=1e-3)


def test_a_quiet_recording_opens_the_mouth_as_far_as_a_loud_one(speech):
    assert np.abs(opened(speech) - opened(speech * 0.05)).max() < 0.01


def test_the_mouth_is_closed_in_pauses_and_background_noise(speech):
    noise = np.random.default_rng(3).normal(0, 0.002, RATE).astype(np.float32)

    pause = opened(np.concatenate([speech, noise]))[-15:]

    assert pause.max() < 0.02


def test_the_mouth_opens_within_two_frames(speech):
    burst = np.concatenate([np.zeros(RATE, np.float32), speech[RATE : 2 * RATE]])

    assert opened(burst)[25:28].max() > 0.3


def test_openness_scales_the_opening(speech):
    assert opened(speech, openness=0.0).max() == 0
    assert opened(speech, openness=2.0).mean() > 1.5 * opened(speech).mean()


def test_high_frequencies_spread_the_lips_and_low_ones_round_them():
    time = np.arange(RATE) / RATE
    hum, hiss = 0.3 * np.sin(2 * np.pi * 250 * time), 0.3 * np.sin(2 * np.pi * 5000 * time)
    vowel = 0.3 * np.sin(2 * np.pi * 1000 * time)
    sound = np.concatenate([hum, vowel, hiss]).astype(np.float32)

    wide = [o.wide for o in openings(measure(blocks(sound), FPS), 1.0)]

    assert wide[20] < -0.8
    assert abs(wide[45]) < 0.2
    assert wide[70] > 0.8


@pytest.mark.parametrize("samples", [np.zeros(RATE), np.full(RATE, 1e-4), np.zeros(0)])
def test_silence_is_refused(samples):
    with pytest.raises(InputRejected) as caught:
        opened(samples.astype(np.float32))

    assert (caught.value.code, caught.value.field) == ("audio_silent", "audio")


def test_a_voice_of_more_than_ten_minutes_is_refused_before_its_end():
    read = []

    def endless():
        while True:
            read.append(1)
            yield np.ones(60 * RATE, np.float32)

    with pytest.raises(InputRejected) as caught:
        measure(endless(), Fraction(1))

    assert caught.value.code == "audio_too_long"
    assert len(read) == 11
