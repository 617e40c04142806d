"""The mouth rests between two sentences in each lip-sync model, whatever noise a recording has."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from models.musetalk import card as musetalk_card
from models.musetalk.runner import Runner as MuseTalk
from models.preview_lipsync import card as preview_card
from models.preview_lipsync.runner import Runner as Preview
from models.wav2lip import card as wav2lip_card
from models.wav2lip.network import Wav2Lip as Wav2LipNetwork
from models.wav2lip.runner import Runner as Wav2Lip
from tests.models.lipsync.harness import film, nothing, portrait
from tests.models.musetalk.tiny import tiny_weights
from tests.models.preview_lipsync.preview_media import RATE, VOICES, read_wav, write_wav

SENTENCE = 1.2
FPS = 24
PAUSE = slice(int((SENTENCE + 0.3) * FPS), int((SENTENCE + 0.7) * FPS))
"""The middle of a pause of one second."""
MOVED = 0.5
"""Mean difference from the resting face, of 255, that counts as a movement."""
CODED = 4.0
"""Mean difference between a photo and its copy in a video."""


def wav2lip(folder):
    """Random weights that hear: those of a new network turn the voice into less than one level."""
    torch.manual_seed(0)
    network = Wav2LipNetwork()
    with torch.no_grad():
        for name, weights in network.named_parameters():
            if name.startswith("audio_encoder") and weights.dim() == 4:
                weights.mul_(5)
    torch.save({"state_dict": network.state_dict()}, folder / "wav2lip_gan.pth")
    return Wav2Lip(folder), wav2lip_card.Input


def musetalk(folder):
    return MuseTalk(tiny_weights(folder)), musetalk_card.Input


def preview(_):
    return Preview(), preview_card.Input


LANES = {"wav2lip": wav2lip, "musetalk": musetalk, "preview-lipsync": preview}
NOISES = {
    "none": lambda t: 0 * t,
    "hiss of -46 dB": lambda t: np.random.default_rng(0).normal(0, 0.005, len(t)),
    "1 % DC": lambda t: 0 * t + 0.01,
    "hum of -40 dB": lambda t: 0.014 * np.sin(100 * np.pi * t),
}


@pytest.fixture(scope="module")
def lane(request, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KINOMILL_FACE_CACHE", str(tmp_path_factory.mktemp("faces")))
        yield LANES[request.param](tmp_path_factory.mktemp("weights"))


def voice(path, noise):
    sentence = read_wav(VOICES["example"])[: round(SENTENCE * RATE)]
    samples = np.concatenate([sentence, np.zeros(RATE, np.float32), sentence])
    return write_wav(path, samples + noise(np.arange(len(samples)) / RATE))


@pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES)
@pytest.mark.parametrize("lane", LANES, indirect=True)
def test_the_mouth_rests_in_a_pause_and_moves_in_speech(lane, noise, tmp_path):
    runner, kind = lane
    photo = tmp_path / "face.png"
    cv2.imwrite(str(photo), portrait("portrait"))
    inputs = {"image": photo, "audio": voice(tmp_path / "voice.wav", noise)}
    params = kind.model_validate({**dict.fromkeys(inputs, "file_1"), "fps": FPS})

    clip = runner.generate(params, inputs, tmp_path / "out.mp4", nothing)

    frames = np.array([frame for _, frame in film(clip.path)], np.int16)
    face = frames[:, 100:200, 50:150]
    rest = face[(PAUSE.start + PAUSE.stop) // 2]
    moved = np.abs(face - rest).mean(axis=(1, 2, 3)) > MOVED
    assert np.abs(rest - portrait("portrait")[100:200, 50:150]).mean() < CODED
    assert np.mean(moved[PAUSE]) <= 0.05
    assert np.mean(moved[: int(SENTENCE * FPS)]) > 0.6
