"""Features of Whisper's encoder for voices of any length."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import WhisperFeatureExtractor, WhisperModel

from models.errors import WeightsInvalid
from models.musetalk.whisper_features import WhisperEncoder
from tests.models.golden import figures


@pytest.fixture(scope="module")
def whisper(tiny):
    return WhisperEncoder(tiny / "whisper", torch.device("cpu"))


@pytest.fixture(scope="module")
def reference(tiny):
    """Hidden states of a voice of up to 30 s, without any code of ours: (steps, layers, width)."""
    encoder = WhisperModel.from_pretrained(tiny / "whisper").encoder.eval()
    extract = WhisperFeatureExtractor.from_pretrained(tiny / "whisper")

    @torch.inference_mode()
    def run(samples):
        mel = extract(samples, sampling_rate=16_000, return_tensors="pt").input_features
        return torch.stack(encoder(mel, output_hidden_states=True).hidden_states, 2)[0].numpy()

    return run


def test_a_window_is_ten_steps_of_five_layers(whisper, reference):
    voice = figures.waveform(2)

    found = list(whisper.audio_features([voice], 25))

    states = reference(voice)
    assert states.shape == (1500, 5, 32)
    assert len(found) == 50
    assert np.allclose(found[10], states[16:26].reshape(50, 32), atol=1e-5)


def test_there_is_silence_before_and_after_the_voice(whisper, reference):
    voice = figures.waveform(1)

    found = list(whisper.audio_features([voice], 25))

    states = reference(voice)
    assert (found[0][:20] == 0).all()
    assert np.allclose(found[0][20:], states[:6].reshape(30, 32), atol=1e-5)
    assert np.allclose(found[-1][:30], states[44:50].reshape(30, 32), atol=1e-5)
    assert (found[-1][30:] == 0).all()


def test_a_long_voice_is_encoded_in_overlapping_segments(whisper, reference):
    voice = np.concatenate([figures.waveform(20, seed) for seed in (3, 5)])

    found = list(whisper.audio_features(np.array_split(voice, 25), 25))

    behind = reference(voice[28 * 16_000 :])
    assert len(found) == 1000
    assert np.allclose(found[800], behind[1600 - 1400 - 4 :][:10].reshape(50, 32), atol=1e-5)


def test_features_are_available_before_the_whole_voice_is_read(whisper):
    def endless():
        while True:
            yield np.zeros(16_000, np.float32)

    assert next(whisper.audio_features(endless(), 25)).shape == (50, 32)


def test_a_published_file_with_the_decoder_is_accepted(tiny, tmp_path, whisper):
    """openai/whisper-tiny was saved with its head: all names begin with `model.`."""
    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / name).write_bytes((tiny / "whisper" / name).read_bytes())
    state = load_file(tiny / "whisper/model.safetensors")
    published = {f"model.{name}": tensor for name, tensor in state.items()}
    save_file(published, tmp_path / "model.safetensors", metadata={"format": "pt"})
    voice = figures.waveform(0.2)

    found = next(WhisperEncoder(tmp_path, torch.device("cpu")).audio_features([voice], 25))

    assert np.array_equal(found, next(whisper.audio_features([voice], 25)))


def test_the_error_for_a_missing_tensor_names_it(tiny, tmp_path):
    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / name).write_bytes((tiny / "whisper" / name).read_bytes())
    state = load_file(tiny / "whisper/model.safetensors")
    del state["encoder.conv1.weight"]
    save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})

    with pytest.raises(WeightsInvalid, match=r"missing: encoder\.conv1\.weight"):
        WhisperEncoder(tmp_path, torch.device("cpu"))


def test_the_error_for_a_broken_file_names_it(tiny, tmp_path):
    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / name).write_bytes((tiny / "whisper" / name).read_bytes())
    whole = (tiny / "whisper/model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[:20_000])

    with pytest.raises(WeightsInvalid, match=str(tmp_path)):
        WhisperEncoder(tmp_path, torch.device("cpu"))
