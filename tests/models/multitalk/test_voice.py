"""Loudness, tracks, the sum of two voices, and features on disk."""

from __future__ import annotations

import wave

import numpy as np
import pytest
import torch

from models.errors import InputRejected
from models.multitalk import audio
from models.multitalk.voice import loudness, tracks
from models.multitalk.voice.feature_file import FeatureFile, mirrored
from models.video import sound
from tests.models.multitalk.voice_files import RATE, tone, write_voice


def sine(hertz, seconds, rate, level=1.0):
    time = np.arange(round(rate * seconds)) / rate
    return (level * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_a_full_scale_sine_of_997_hertz_has_the_loudness_of_the_standard(rate):
    assert loudness.integrated(sine(997, 3, rate), rate) == pytest.approx(-3.01, abs=0.05)


def test_20_decibels_less_are_20_units_less():
    quiet = loudness.integrated(sine(997, 3, RATE, 0.1), RATE)

    assert quiet == pytest.approx(-23.01, abs=0.05)


def test_low_tones_weigh_less_and_high_ones_more():
    low, middle, high = (
        loudness.integrated(sine(hertz, 3, RATE), RATE) for hertz in (30, 997, 4000)
    )

    assert low < middle - 8
    assert high == pytest.approx(middle + 3.3, abs=0.3)


def test_pauses_do_not_count():
    voice = sine(997, 3, RATE, 0.1)
    with_pause = np.concatenate([voice, np.zeros(10 * RATE, np.float32), voice])

    assert loudness.integrated(with_pause, RATE) == pytest.approx(-23.01, abs=0.3)


def test_a_voice_is_brought_to_23_below_full_scale():
    found = loudness.normalized(tone(2, level=0.9), RATE)

    assert loudness.integrated(found, RATE) == pytest.approx(-23, abs=0.01)


def test_silence_stays_silence():
    silence = np.zeros(RATE, np.float32)

    assert loudness.integrated(silence, RATE) == -np.inf
    assert not loudness.normalized(silence, RATE).any()


def test_a_voice_shorter_than_a_block_is_measured_whole():
    assert np.isfinite(loudness.integrated(tone(0.1), RATE))


def test_voices_together_end_with_the_longer_one():
    first, second = tracks.arranged([np.ones(4), np.ones(2)], "together")

    assert first.tolist() == [1, 1, 1, 1]
    assert second.tolist() == [1, 1, 0, 0]


def test_voices_one_after_another_are_silent_in_turns():
    first, second = tracks.arranged([np.ones(2), np.full(3, 2)], "one_after_another")

    assert first.tolist() == [1, 1, 0, 0, 0]
    assert second.tolist() == [0, 0, 2, 2, 2]


def seconds_of(path):
    with wave.open(str(path)) as file:
        return file.getnframes() / file.getframerate()


@pytest.mark.parametrize(("mode", "seconds"), [("together", 3.5), ("one_after_another", 5.0)])
def test_the_sound_of_two_voices_is_their_sum(tmp_path, mode, seconds):
    paths = {
        name: write_voice(tmp_path / f"{name}.wav", tone(length, hertz))
        for name, length, hertz in (("audio", 3.5, 200), ("audio_2", 1.5, 400))
    }

    out = tracks.mix(paths, mode, tmp_path / "sum.wav", 10)

    assert seconds_of(out) == pytest.approx(seconds, abs=0.001)


def test_the_sum_of_a_voice_and_its_opposite_is_silence(tmp_path):
    paths = {str(sign): write_voice(tmp_path / f"{sign}.wav", sign * tone(0.5)) for sign in (1, -1)}

    with wave.open(str(tracks.mix(paths, "together", tmp_path / "sum.wav", 10))) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")

    assert np.abs(samples).max() <= 2


def test_one_voice_is_heard_as_it_is(tmp_path):
    path = write_voice(tmp_path / "voice.wav", tone(0.2))

    assert tracks.mix({"audio": path}, "together", tmp_path / "sum.wav", 10) == path


@pytest.mark.parametrize(("mode", "decoded"), [("together", 6), ("one_after_another", 4)])
def test_a_sum_is_cut_at_the_limit_and_no_more_is_decoded(tmp_path, monkeypatch, mode, decoded):
    paths = {
        "audio": write_voice(tmp_path / "first.wav", tone(1.25, 200)),
        "audio_2": write_voice(tmp_path / "second.wav", tone(60, 400)),
    }
    pcm, found = sound.pcm, []

    def counted(*arguments, **options):
        for samples in pcm(*arguments, **options):
            found.append(samples.shape[1])
            yield samples

    monkeypatch.setattr(sound, "pcm", counted)

    out = tracks.mix(paths, mode, tmp_path / "sum.wav", 2.5)

    assert seconds_of(out) == 2.5
    assert sum(found) / 48_000 <= decoded


def test_a_voice_is_read_no_further_than_the_limit(tmp_path):
    path = write_voice(tmp_path / "voice.wav", tone(3))

    assert len(tracks.read(path, "audio", 1.25)) == 20_000


def test_a_file_without_sound_is_attributed_to_its_field(tmp_path):
    path = tmp_path / "voice.wav"
    path.write_text("no sound")

    with pytest.raises(InputRejected) as refused:
        tracks.read(path, "audio_2", 10)

    assert refused.value.field == "audio_2"


def test_rows_beyond_the_end_go_backwards():
    assert mirrored(np.arange(10), 3).tolist() == [0, 1, 2, 2, 1, 0, 0, 1, 2, 2]


def test_windows_of_a_file_are_those_of_the_extended_rows(tmp_path):
    rows = np.arange(12, dtype=np.float32).reshape(2, 6, 1, 1)
    np.save(tmp_path / "rows.npy", rows)

    found = FeatureFile(tmp_path / "rows.npy", 6).windows(4, 5)

    extended = torch.from_numpy(rows[:, [0, 1, 2, 3, 4, 5, 5, 4, 3, 2, 1, 0]])
    assert torch.equal(found, audio.windows(extended, 4, 5))
