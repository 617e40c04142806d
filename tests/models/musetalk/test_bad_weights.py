"""Weights that compute NaN, a single color, or ignore the voice never give a video."""

from __future__ import annotations

import cv2
import pytest
import torch

from models.errors import OutputInvalid
from models.musetalk.card import Input
from models.musetalk.runner import Runner
from tests.models.lipsync.harness import nothing, portrait, voice
from tests.models.musetalk.tiny import tiny_weights


def one_nan(network):
    next(network.parameters()).data[0] = float("nan")


def zeros(network):
    for parameter in network.parameters():
        parameter.data.zero_()


def deaf(network):
    """The cross-attention to the sound adds nothing."""
    for name, parameter in network.named_parameters():
        if "attn2.to_v" in name:
            parameter.data.zero_()


@pytest.fixture
def runner(tmp_path, monkeypatch):
    monkeypatch.setenv("KINOMILL_FACE_CACHE", str(tmp_path / "faces"))
    return Runner(tiny_weights(tmp_path / "weights"))


def part(runner, name):
    networks = runner._networks
    return {
        "unet": networks._network._unet.network,
        "vae": networks._network._vae.network,
        "whisper": networks.whisper._encoder,
    }[name]


@pytest.mark.parametrize(
    ("name", "spoil", "code"),
    [
        ("unet", one_nan, "output_not_finite"),
        ("vae", one_nan, "output_not_finite"),
        ("whisper", one_nan, "output_not_finite"),
        ("vae", zeros, "output_blank"),
        ("unet", deaf, "output_frozen"),
    ],
)
def test_bad_weights_fail_in_warm_up_and_in_a_job(runner, tmp_path, name, spoil, code):
    with torch.no_grad():
        spoil(part(runner, name))
    photo, out = tmp_path / "face.png", tmp_path / "out.mp4"
    cv2.imwrite(str(photo), portrait("portrait"))
    files = {"image": photo, "audio": voice(tmp_path / "voice.wav", 1)}
    params = Input.model_validate({**dict.fromkeys(files, "file_1"), "rest_in_silence": False})

    with pytest.raises(OutputInvalid) as warming:
        runner.warm_up()
    with pytest.raises(OutputInvalid) as running:
        runner.generate(params, files, out, nothing)

    assert (warming.value.code, running.value.code) == (code, code)
    assert "pull them again" in str(running.value)
    assert not out.exists()
