"""A whole run of a tiny MuseTalk: a face, a voice, the MP4 and its notes."""

from __future__ import annotations

import hashlib

import cv2
import numpy as np
import pytest
import torch

from models.musetalk.card import Input
from models.musetalk.runner import Runner
from tests.models.lipsync.harness import film, nothing, portrait, voice


@pytest.fixture(scope="module")
def runner(tiny, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KINOMILL_FACE_CACHE", str(tmp_path_factory.mktemp("faces")))
        return Runner(tiny)


@pytest.fixture
def generate(runner, tmp_path):
    photo = tmp_path / "face.png"
    cv2.imwrite(str(photo), portrait("portrait"))
    inputs = {"image": photo, "audio": voice(tmp_path / "voice.wav", 0.5)}

    def run(*, runner=runner, **options):
        params = Input.model_validate({**dict.fromkeys(inputs, "file_1"), "fps": 6, **options})
        return runner.generate(params, inputs, tmp_path / "out.mp4", nothing)

    return run


def test_a_photo_is_animated_and_the_notes_say_how(generate, tiny):
    clip = generate()

    whole = (tiny / "unet" / "unet.pth").read_bytes()
    assert (clip.frames, len(film(clip.path))) == (3, 3)
    assert clip.notes["weights_sha256"] == hashlib.sha256(whole).hexdigest()
    assert clip.notes["runs_on"].startswith("cpu")
    assert (clip.notes["frames_with_face"], clip.notes["fps_out"]) == (3, "6")


def test_a_whole_run_with_upstream_succeeds(generate):
    assert generate(upstream=True).frames == 3


def test_a_region_is_used_as_given(generate):
    region = {"top": 60, "bottom": 140, "left": 60, "right": 130}

    clip = generate(region=region, blend="box", rest_in_silence=False)

    changed = np.array([frame.astype(int) for _, frame in film(clip.path)]) - portrait("portrait")
    rows = np.abs(changed)[:, :, 70:120].mean(axis=(0, 2, 3))
    assert rows[100:136].mean() > 20
    assert rows[144:].max() < 5


def test_a_result_states_the_format_that_its_run_ended_with(generate, tiny):
    """Between two layers of its VAE values pass the range of float16, not that of float32."""
    runner = Runner(tiny)
    vae = runner._networks._network._vae.network.half()
    with torch.no_grad():
        for parameter in vae.encoder.conv_out.parameters():
            parameter.mul_(2.0**18)
            assert parameter.isfinite().all()
        vae.quant_conv.weight.div_(2.0**18)

    assert generate(runner=runner).notes["runs_on"] == "cpu float32"
