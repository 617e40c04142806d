"""The mel spectrogram equals that of librosa, and every frame has a window."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from models.wav2lip.mel import filter_bank, mel_of_blocks, mel_spectrogram, window_starts, windows
from tests.models.golden import figures

FACTS = figures.read("wav2lip")
MEL = FACTS["mel"]


@pytest.fixture(scope="module")
def voice():
    return figures.waveform(MEL["waveform"]["seconds"])


@pytest.fixture(scope="module")
def mel(voice):
    return mel_spectrogram(voice)


def test_the_waveform_is_the_recorded_one(voice):
    assert voice[:8].tolist() == pytest.approx(MEL["waveform"]["first8"], abs=1e-7)


def test_the_mel_spectrogram_equals_the_authors_code(mel):
    figures.assert_like(mel, MEL["result"], atol=1e-5)


@pytest.mark.parametrize(
    ("column", "name"), [(0, "first_column"), (20, "column_20"), (-1, "last_column")]
)
def test_single_columns_equal_the_authors_code(mel, column, name):
    assert np.abs(mel[:, column] - MEL[name]).max() < 1e-5


def test_the_filter_bank_equals_the_authors_code():
    bank, facts = filter_bank(), MEL["filterbank"]

    assert list(bank.shape) == facts["shape"]
    assert bank.sum() == pytest.approx(facts["sum"], abs=1e-6)
    assert bank.max(axis=1)[:5].tolist() == pytest.approx(facts["peak_per_band_first5"], abs=1e-6)
    assert bank.max(axis=1)[-5:].tolist() == pytest.approx(facts["peak_per_band_last5"], abs=1e-6)


@pytest.mark.parametrize("block", [1, 399, 1600, 31_999])
def test_sound_in_blocks_gives_the_same_as_in_one_piece(voice, mel, block):
    sound = voice[:5000] if block == 1 else voice

    made = mel_of_blocks(sound[start : start + block] for start in range(0, len(sound), block))

    assert np.abs(made - mel_spectrogram(sound)).max() < 1e-5


def test_long_sound_has_no_discontinuity_between_blocks():
    sound = np.tile(figures.waveform(2.0), 20)
    start = 1024 * 200

    across = mel_spectrogram(sound)[:, 1018:1030]
    around = mel_spectrogram(sound[start - 20_000 : start + 20_000])[:, 94:106]

    assert np.abs(across - around).max() < 1e-5


@pytest.mark.parametrize("samples", [0, 1, 200, 400, 401, 3000])
def test_the_shortest_sounds_have_columns(samples):
    mel = mel_spectrogram(figures.waveform(1.0)[:samples])

    assert mel.shape == (80, 1 + samples // 200)
    assert np.isfinite(mel).all()


def test_silence_is_minus_four_and_nan_counts_as_silence():
    broken = np.full(16000, np.nan, np.float32)
    broken[5000] = np.inf

    assert (mel_spectrogram(np.zeros(16000, np.float32)) == -4).all()
    assert (mel_spectrogram(broken) == -4).all()


@pytest.mark.parametrize("case", FACTS["chunk_schedule"])
def test_the_upstream_schedule_equals_the_authors_code(case):
    starts = window_starts(case["mel_columns"], case["fps"], upstream=True)

    wanted, shown = case["starts"], len(case["starts"])
    assert len(starts) == case["chunks"]
    if "..." in wanted:
        gap = wanted.index("...")
        starts = [*starts[:gap], "...", *starts[gap + 1 - shown :]]
    assert starts == wanted


@pytest.mark.parametrize(
    ("seconds", "fps", "frames"),
    [
        (2, 25, 50),
        (2, Fraction(30000, 1001), 60),
        (Fraction(21, 10), 10, 21),
        (600, Fraction(24000, 1001), 14386),
        (1, 60, 60),
    ],
)
def test_every_frame_has_a_window_at_its_own_time(seconds, fps, frames):
    columns = 1 + int(seconds * 16000) // 200

    starts = window_starts(columns, fps)

    assert len(starts) == frames
    assert all(0 <= Fraction(frame * 80) / fps - start < 1 for frame, start in enumerate(starts))


def test_windows_beyond_both_ends_contain_silence(mel):
    made = list(windows([mel], [-4, 20, 157]))

    assert [made[n].shape for n in range(len(made))] == [(1, 80, 16)] * 3
    assert (made[0][0, :, :4] == -4).all()
    assert (made[0][0, :, 4:] == mel[:, :12]).all()
    assert (made[1][0] == mel[:, 20:36]).all()
    assert (made[2][0, :, :4] == mel[:, 157:]).all()
    assert (made[2][0, :, 4:] == -4).all()


@pytest.mark.parametrize("portion", [1, 7, 80])
def test_windows_of_a_mel_in_chunks_are_the_same(mel, portion):
    starts = [-9, -9, 0, 3, 90, 91, mel.shape[1] - 16, mel.shape[1] + 40]
    portions = (mel[:, at : at + portion] for at in range(0, mel.shape[1], portion))

    made = np.stack(list(windows(portions, starts)))

    assert (made == np.stack(list(windows([mel], starts)))).all()
    assert (made[-1] == -4).all()
