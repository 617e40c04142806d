"""The mouth is not animated in pauses, and only there."""

from __future__ import annotations

import wave
from datetime import timedelta
from fractions import Fraction

import numpy as np
import pytest

from models.errors import InputRejected
from models.lipsync.silence import levels, mouth_opacity

FPS = Fraction(25)


def level(*parts):
    """Levels in dBFS: (frames, dB) one after another."""
    return np.concatenate([np.full(frames, db, float) for frames, db in parts])


def test_speech_has_full_opacity():
    assert (mouth_opacity(level((50, -20)), FPS) == 1).all()


def test_a_long_pause_has_zero_opacity_and_fades_at_both_ends():
    opacity = mouth_opacity(level((50, -20), (25, -80), (50, -20)), FPS)

    assert (opacity[:50] == 1).all()
    assert (opacity[75:] == 1).all()
    assert (opacity[54:71] == 0).all()
    assert (np.diff(opacity[49:54]) < 0).all() or opacity[52] == 0
    assert np.abs(np.diff(opacity)).max() < 0.5


def test_a_short_pause_keeps_full_opacity():
    assert (mouth_opacity(level((50, -20), (7, -80), (50, -20)), FPS) == 1).all()


def test_a_pause_at_an_end_has_zero_opacity_up_to_that_end():
    opacity = mouth_opacity(level((20, -80), (50, -20), (20, -80)), FPS)

    assert opacity[0] == 0
    assert opacity[-1] == 0


def test_a_quiet_voice_is_not_a_pause():
    assert (mouth_opacity(level((50, -48)), FPS) == 1).all()


def write(path, samples):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes((np.asarray(samples) * 32767).astype("<i2").tobytes())
    return path


def tone(seconds):
    return 0.5 * np.sin(np.arange(int(seconds * 16000)) * 0.3)


@pytest.mark.parametrize(
    ("fps", "frames"), [(FPS, 51), (Fraction(30000, 1001), 61), (Fraction(1), 3)]
)
def test_there_is_a_level_for_every_frame_that_the_voice_fills(tmp_path, fps, frames):
    voice = write(tmp_path / "voice.wav", np.concatenate((np.zeros(16000), tone(1.02))))

    level = levels(voice, fps)

    second = int(fps)
    assert len(level) == frames
    assert (level[: max(1, second - 1)] < -55).all()
    assert level[second + 1 :].max() > -10
    assert (level[second + 1 : -1] > -10).all()


@pytest.mark.parametrize(
    ("samples", "code"),
    [(np.zeros(16000), "audio_silent"), (tone(0.5) * 0.0005, "audio_silent")],
)
def test_a_voice_without_sound_is_refused(tmp_path, samples, code):
    with pytest.raises(InputRejected) as error:
        levels(write(tmp_path / "voice.wav", samples), FPS)

    assert (error.value.code, error.value.field) == (code, "audio")


def test_a_voice_that_is_too_long_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("models.lipsync.silence.MAX_LENGTH", timedelta(seconds=1))

    with pytest.raises(InputRejected) as error:
        levels(write(tmp_path / "voice.wav", tone(1.2)), FPS)

    assert error.value.code == "audio_too_long"


def noisy(added):
    """Two sentences of bursts of a buzz, a second of silence between them, and `added`."""
    burst = 0.2 * np.sign(np.sin(2 * np.pi * 140 * np.arange(2400) / 16000)) * np.hanning(2400)
    sentence = np.tile(np.concatenate((burst, np.zeros(800))), 10)
    voice = np.concatenate((sentence, np.zeros(16000), sentence))
    return voice + added(np.arange(len(voice)) / 16000)


def hiss(level):
    return lambda t: np.random.default_rng(0).normal(0, level, len(t))


def hum(hertz, level):
    return lambda t: level * np.sin(2 * np.pi * hertz * t)


@pytest.mark.parametrize(
    "added",
    [
        *(lambda t: 0 * t, lambda t: 0 * t + 0.01, lambda t: 0 * t - 0.05),
        *(hum(50, 0.014), hum(60, 0.028), hum(120, 0.014), hum(20, 0.045)),
        *(hiss(0.005), hiss(0.01)),
    ],
)
@pytest.mark.parametrize("fps", [Fraction(24), FPS, Fraction(60)])
def test_the_mouth_rests_between_sentences_and_only_there(tmp_path, added, fps):
    path = write(tmp_path / "voice.wav", noisy(added))

    opacity = mouth_opacity(levels(path, fps), fps)

    rate = float(fps)
    pause = slice(round(2.3 * rate), round(2.65 * rate))
    assert (opacity[pause] == 0).all()
    assert (opacity[: round(1.9 * rate)] == 1).all()
    assert (opacity[round(3.1 * rate) : round(4.9 * rate)] == 1).all()


def test_soft_syllables_are_no_noise():
    soft = level((50, -20), *[(1, -38), (1, -33)] * 8, (50, -20))

    assert (mouth_opacity(soft, FPS) == 1).all()
