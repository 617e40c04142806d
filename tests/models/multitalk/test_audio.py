"""Speech features and their windows."""

from __future__ import annotations

import pytest
import torch
from transformers import Wav2Vec2Config, Wav2Vec2Model

from models.multitalk import audio, convolutions
from models.multitalk.variants import frame_count
from tests.models.multitalk.formula import FIGURES, assert_figures, keys_of, waveform, weights


@pytest.fixture(scope="module")
def wav2vec():
    case = FIGURES["audio_features"]
    model = Wav2Vec2Model(Wav2Vec2Config(**case["init"], mask_time_prob=0.0)).eval()
    assert keys_of(model) == case["keys"]
    model.load_state_dict(weights(case["keys"]))
    return model


def test_the_features_have_the_authors_figures(wav2vec):
    case = FIGURES["audio_features"]

    rows = audio.features(wav2vec, waveform(case["seconds"]))

    assert len(rows) == case["frames"]
    assert_figures(rows, case["output"])


def test_louder_gives_the_same_features(wav2vec):
    voice = waveform(0.5)

    louder = audio.features(wav2vec, voice * 2)

    torch.testing.assert_close(louder, audio.features(wav2vec, voice), atol=1e-4, rtol=0)


def test_no_hook_stays_on_the_encoder(wav2vec):
    audio.features(wav2vec, waveform(0.2))

    assert not any(layer._forward_hooks for layer in wav2vec.encoder.layers)


@pytest.mark.parametrize(("seconds", "frames"), [(1, 25), (1.3, 32), (0.04, 1), (0.1, 2)])
def test_25_whole_frames_a_second(seconds, frames):
    assert frame_count(int(16000 * seconds)) == frames


@pytest.mark.parametrize("norm", ["group", "layer"])
def test_pieces_of_the_convolutions_are_those_of_one_call(norm, monkeypatch):
    monkeypatch.setattr(convolutions, "_PIECE", 7)
    config = FIGURES["audio_features"]["init"] | {"feat_extract_norm": norm, "conv_bias": True}
    extractor = Wav2Vec2Model(Wav2Vec2Config(**config)).eval().feature_extractor
    voice = torch.from_numpy(waveform(1.3))[None]

    with torch.no_grad():
        whole, pieces = extractor(voice), convolutions.extract(extractor, voice)

    assert pieces.shape == whole.shape
    torch.testing.assert_close(pieces, whole, atol=1e-5, rtol=0)


def rows(count):
    return torch.arange(count)[None, :, None, None]


def test_a_window_repeats_the_ends():
    found = audio.windows(rows(4), 0, 4)[0, ..., 0, 0]

    assert found.tolist() == [[0, 0, 0, 1, 2], [0, 0, 1, 2, 3], [0, 1, 2, 3, 3], [1, 2, 3, 3, 3]]


def test_windows_may_start_anywhere():
    found = audio.windows(rows(20), 10, 2)[0, ..., 0, 0]

    assert found.tolist() == [[8, 9, 10, 11, 12], [9, 10, 11, 12, 13]]


def test_four_frames_give_eight_features():
    first, latter = audio.group(audio.windows(rows(12), 2, 9))

    assert first[0, ..., 0, 0].tolist() == [[0, 1, 2, 3, 4]]
    assert latter[0, ..., 0, 0].tolist() == [
        [1, 2, 3, 4, 5, 6, 7, 8],
        [5, 6, 7, 8, 9, 10, 11, 11],
    ]
