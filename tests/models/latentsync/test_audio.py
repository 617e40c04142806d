"""Spectrogram, encoder and windows give the authors' figures."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import torch

from models.errors import WeightsInvalid
from models.latentsync import audio
from tests.models.golden import figures
from tests.models.latentsync.formula import FACTS, SEED, encoder_state, tiny_encoder

GOLDEN = FACTS["audio"]
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def encoder():
    return tiny_encoder()


@pytest.fixture(
    scope="module", params=GOLDEN["cases"], ids=lambda case: case["waveform"]["seconds"]
)
def case(request):
    return request.param


@pytest.fixture(scope="module")
def wave(case):
    return figures.waveform(case["waveform"]["seconds"], SEED)


def blocks(samples, size):
    return [samples[start : start + size] for start in range(0, len(samples), size)]


def test_the_spectrogram_is_that_of_the_authors(case, wave):
    found = audio.mel(wave)

    figures.assert_like(found, case["mel"], atol=TOLERANCE)
    assert np.abs(found[:, 0] - case["mel"]["first_column"]).max() < TOLERANCE
    assert np.abs(found[:, -1] - case["mel"]["last_column"]).max() < TOLERANCE


def test_the_features_are_those_of_the_authors(case, wave, encoder):
    found = audio.features(encoder, wave)

    figures.assert_like(found, case["features"], atol=TOLERANCE)
    assert np.abs(found.mean(axis=(0, 2)) - case["features"]["layer_mean"]).max() < TOLERANCE
    assert np.abs(found.std(axis=(0, 2)) - case["features"]["layer_std"]).max() < TOLERANCE


def test_the_windows_are_those_of_the_authors(case, wave, encoder):
    found = audio.windows(audio.features(encoder, wave), case["chunks"], 25)

    figures.assert_like(found, case["chunk_tensor"], atol=TOLERANCE)


@pytest.mark.parametrize("overlap", [0, 1])
@pytest.mark.parametrize("size", [777, 16_000, 1_000_000])
def test_streamed_features_are_the_same(case, wave, encoder, overlap, size):
    whole = audio.features(encoder, wave, overlap_seconds=overlap)
    loudest = audio.loudest_energy(blocks(wave, size))

    pieces = audio.stream_features(encoder, blocks(wave, size), loudest, overlap_seconds=overlap)

    assert np.allclose(np.concatenate(list(pieces)), whole, atol=1e-6)


@pytest.mark.parametrize("facts", GOLDEN["windows_25fps"])
def test_the_rows_of_each_window_at_25_frames_a_second(facts):
    found = audio.window_indices(facts["feature_steps"], facts["video_frames"], 25).tolist()

    assert found[:3] == facts["first"]
    assert found[-4:] == facts["last"]


@pytest.mark.parametrize("facts", GOLDEN["windows_other_rates"])
def test_the_rows_of_each_window_at_other_rates(facts):
    found = audio.window_indices(facts["feature_steps"], facts["frame"] + 1, facts["fps"])

    assert found[-1].tolist() == facts["indices"]


@pytest.mark.parametrize("facts", GOLDEN["feature_steps_from_samples"])
def test_columns_and_rows_from_samples(facts):
    samples, columns, rows, _frames = facts
    found = audio.mel(np.zeros(samples, np.float32))

    kept = [steps.stop - steps.start for _, steps in audio._pieces([found.T], 0)]
    assert found.shape == (80, columns)
    assert sum(kept) == rows


@pytest.mark.parametrize("samples", [0, 1, 159, 160, 200, 201, 359, 361])
def test_the_spectrogram_of_a_very_short_sound_is_finite(samples):
    found = audio.mel(figures.waveform(1, SEED)[:samples])

    assert found.shape == (80, samples // 160)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("seconds", [29.99, 30, 58.5, 61])
def test_with_overlap_each_step_comes_once(seconds):
    columns = np.zeros((round(seconds * 100), 80), np.float32)

    spans, start = [], 0
    for _, kept in audio._pieces([columns], 1):
        spans.append((start + kept.start, start + kept.stop))
        start += (3000 - 100) // 2
    assert spans[0][0] == 0
    assert spans[-1][1] == len(columns) // 2
    assert all(end == following for (_, end), (following, _) in pairwise(spans))


@pytest.mark.parametrize("fps", [Fraction(24000, 1001), Fraction(25), Fraction(60000, 1001)])
@pytest.mark.parametrize("frames", [3, 40, 75])
def test_streamed_windows_are_the_same(fps, frames):
    features = figures.u(60 * 3 * 4, 1).reshape(60, 3, 4).astype(np.float32)
    whole = audio.windows(features, frames, fps)

    found = list(audio.stream_windows([features[:7], features[7:]], fps, frames=frames))

    assert np.array_equal(np.stack(found), whole)


def test_an_offset_moves_the_windows():
    features = figures.u(60 * 3 * 4, 1).reshape(60, 3, 4).astype(np.float32)
    whole = audio.windows(features, 20, 25)

    for frames in (-5, 5):
        offset = Fraction(frames, 25)
        found = list(audio.stream_windows([features], Fraction(25), frames=20, offset=offset))
        both = slice(max(0, -frames), 20 - max(0, frames))
        moved = slice(both.start + frames, both.stop + frames)
        assert np.array_equal(np.stack(found)[both], whole[moved])


def test_a_whole_file_of_whisper_gives_its_encoder():
    state = {f"encoder.{name}": t for name, t in encoder_state().items()}
    whole = {**state, "decoder.ln.weight": torch.zeros(1)}

    found = audio.encoder_from_original(GOLDEN["encoder"], whole).state_dict()

    expected = tiny_encoder().state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def test_an_encoder_that_lacks_a_tensor_is_refused():
    state = encoder_state()
    del state["conv1.weight"]

    with pytest.raises(WeightsInvalid, match=r"conv1\.weight"):
        audio.encoder_from_original(GOLDEN["encoder"], state)
