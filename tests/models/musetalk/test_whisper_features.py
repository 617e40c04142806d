"""Whisper's encoder, fed with voices of any length."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import WhisperFeatureExtractor, WhisperModel

from models.errors import WeightsInvalid
from models.musetalk.whisper_features import Ear
from tests.models.golden import figures


@pytest.fixture(scope="module")
def ear(tiny):
    return Ear(tiny / "whisper", torch.device("cpu"))


@pytest.fixture(scope="module")
def stock(tiny):
    """Hidden states of a voice of up to 30 s, without any code of ours: (steps, layers, width)."""
    encoder = WhisperModel.from_pretrained(tiny / "whisper").encoder.eval()
    extract = WhisperFeatureExtractor.from_pretrained(tiny / "whisper")

    @torch.inference_mode()
    def run(samples):
        mel = extract(samples, sampling_rate=16_000, return_tensors="pt").input_features
        return torch.stack(encoder(mel, output_hidden_states=True).hidden_states, 2)[0].numpy()

    return run


def test_a_window_is_five_layers_of_ten_steps(ear, stock):
    voice = figures.waveform(2)

    found = list(ear.hear([voice], 25))

    states = stock(voice)
    assert states.shape == (1500, 5, 32)
    assert len(found) == 50
    assert np.allclose(found[10], states[16:26].reshape(50, 32), atol=1e-5)


def test_before_and_behind_the_voice_it_is_silent(ear, stock):
    voice = figures.waveform(1)

    found = list(ear.hear([voice], 25))

    states = stock(voice)
    assert (found[0][:20] == 0).all()
    assert np.allclose(found[0][20:], states[:6].reshape(30, 32), atol=1e-5)
    assert np.allclose(found[-1][:30], states[44:50].reshape(30, 32), atol=1e-5)
    assert (found[-1][30:] == 0).all()


def test_a_long_voice_is_heard_in_overlapping_segments(ear, stock):
    voice = np.concatenate([figures.waveform(20, seed) for seed in (3, 5)])

    found = list(ear.hear(np.array_split(voice, 25), 25))

    behind = stock(voice[28 * 16_000 :])
    assert len(found) == 1000
    assert np.allclose(found[800], behind[1600 - 1400 - 4 :][:10].reshape(50, 32), atol=1e-5)


def test_frames_come_before_the_whole_voice_was_read(ear):
    def endless():
        while True:
            yield np.zeros(16_000, np.float32)

    assert next(ear.hear(endless(), 25)).shape == (50, 32)


def test_the_published_form_holds_more_than_the_encoder(tiny, tmp_path, ear):
    """openai/whisper-tiny was saved with its head: all names begin with `model.`."""
    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / name).write_bytes((tiny / "whisper" / name).read_bytes())
    state = load_file(tiny / "whisper/model.safetensors")
    published = {f"model.{name}": tensor for name, tensor in state.items()}
    save_file(published, tmp_path / "model.safetensors", metadata={"format": "pt"})
    voice = figures.waveform(0.2)

    found = next(Ear(tmp_path, torch.device("cpu")).hear([voice], 25))

    assert np.array_equal(found, next(ear.hear([voice], 25)))


def test_a_missing_name_is_told(tiny, tmp_path):
    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / name).write_bytes((tiny / "whisper" / name).read_bytes())
    state = load_file(tiny / "whisper/model.safetensors")
    del state["encoder.conv1.weight"]
    save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})

    with pytest.raises(WeightsInvalid, match=r"missing: encoder\.conv1\.weight"):
        Ear(tmp_path, torch.device("cpu"))


def test_a_broken_file_is_named(tiny, tmp_path):
    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / name).write_bytes((tiny / "whisper" / name).read_bytes())
    whole = (tiny / "whisper/model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[:20_000])

    with pytest.raises(WeightsInvalid, match=str(tmp_path)):
        Ear(tmp_path, torch.device("cpu"))
