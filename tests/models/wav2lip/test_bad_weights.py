"""Weights that compute NaN, a single color, or ignore the voice never give a video."""

from __future__ import annotations

import cv2
import pytest
import torch

from models.errors import OutputInvalid
from models.wav2lip.card import Input
from models.wav2lip.network import Wav2Lip
from models.wav2lip.runner import Runner
from tests.models.lipsync.harness import nothing, portrait, voice


def one_nan(network):
    next(network.parameters()).data.view(-1)[0] = float("nan")


def zeros(network):
    for parameter in network.parameters():
        parameter.data.zero_()


def deaf(network):
    """The audio encoder gives the same for each sound."""
    for name, parameter in network.named_parameters():
        if name.startswith("audio_encoder"):
            parameter.data.zero_()


@pytest.fixture
def runner_of(tmp_path, monkeypatch):
    monkeypatch.setenv("KINOMILL_FACE_CACHE", str(tmp_path / "faces"))

    def make(spoil):
        torch.manual_seed(0)
        network = Wav2Lip().eval()
        with torch.no_grad():
            spoil(network)
        folder = tmp_path / "weights"
        folder.mkdir()
        torch.save({"state_dict": network.state_dict()}, folder / "wav2lip_gan.pth")
        return Runner(folder)

    return make


@pytest.mark.parametrize(
    ("spoil", "code"),
    [(one_nan, "output_not_finite"), (zeros, "output_blank"), (deaf, "output_frozen")],
)
def test_bad_weights_fail_in_warm_up_and_in_a_job(runner_of, tmp_path, spoil, code):
    runner, photo, out = runner_of(spoil), tmp_path / "face.png", tmp_path / "out.mp4"
    cv2.imwrite(str(photo), portrait("portrait"))
    files = {"image": photo, "audio": voice(tmp_path / "voice.wav", 1)}
    params = Input.model_validate({**dict.fromkeys(files, "file_1"), "rest_in_silence": False})

    with pytest.raises(OutputInvalid) as warming:
        runner.warm_up()
    with pytest.raises(OutputInvalid) as running:
        runner.generate(params, files, out, nothing)

    assert (warming.value.code, running.value.code) == (code, code)
    assert not out.exists()
