"""With `upstream` and a region, a whole run equals the authors' script with `--box`."""

from __future__ import annotations

import json
from fractions import Fraction

import cv2
import numpy as np
import pytest
import torch

from models.faces.detection.haar import HaarDetector
from models.lipsync.device import Device
from models.lipsync.engine import Compositing, Engine
from models.lipsync.face_frames import FaceFrames
from models.wav2lip import runner
from models.wav2lip.card import Input
from models.wav2lip.lip_sync import Wav2LipSync
from tests.models.video import media
from tests.models.wav2lip import upstream_reference as reference

FRAMES = 62


@pytest.fixture(scope="module")
def theirs():
    """Pixels of each frame of the reference, `(62, points, 3)`."""
    frames = json.loads(reference.REFERENCE.read_text())["frames"]
    return np.array(frames).reshape(len(frames), -1, 3)


@pytest.fixture
def inputs(tmp_path):
    cv2.imwrite(str(tmp_path / "picture.png"), reference.picture())
    voice = media.wav(tmp_path / "voice.wav", reference.samples() / 32767.0, 16_000)
    return {"image": tmp_path / "picture.png", "audio": voice}


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "near"), [(torch.float32, 2), (torch.bfloat16, 4)], ids=str)
def test_all_frames_are_those_of_the_authors_script(inputs, theirs, dtype, near):
    params = Input.model_validate(
        {**dict.fromkeys(inputs, "file_1"), "region": reference.BOX, "upstream": True}
    )
    device = Device(torch.device("cpu"), dtype, 16)
    sync = Wav2LipSync(
        device.prepare(reference.network()), device, pads=runner._pads(params), upstream=True
    )
    fps, voice = Fraction(reference.FPS), inputs["audio"]
    count = sync.frame_count(voice, fps, 65)

    frames = Engine(sync, Compositing(upstream=True)).frames(
        FaceFrames(params, inputs, HaarDetector()).tracked(count),
        sync.audio_features(voice, fps, count, Fraction(0)),
        [1.0] * count,
    )

    rows, columns = np.array(reference.POINTS).T
    ours = np.array([frame[rows, columns] for frame in frames]).astype(int)
    assert len(ours) == len(theirs) == FRAMES
    assert np.abs(ours - theirs).max() <= near


def test_the_reference_speaks_inside_the_box_only(theirs):
    original = reference.picture()
    inside = [
        reference.BOX["top"] <= y < reference.BOX["bottom"]
        and reference.BOX["left"] <= x < reference.BOX["right"]
        for y, x in reference.POINTS
    ]
    before = np.array([original[y, x] for y, x in reference.POINTS])

    moved = np.abs(theirs - before).max(axis=(0, 2))
    assert (moved[~np.array(inside)] == 0).all()
    assert np.median(moved[inside]) > 10
    assert len(np.unique(theirs, axis=0)) > FRAMES / 2
