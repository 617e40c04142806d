"""Audio windows and pasting of Wav2Lip, in our mode and in the authors' (`upstream`)."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn

from models.faces.box import Box
from models.lipsync.device import Device
from models.lipsync.network import CropArea
from models.video import sound
from models.wav2lip import face_crop
from models.wav2lip.lip_sync import Wav2LipSync
from models.wav2lip.mel import mel_spectrogram, window_starts, windows
from tests.models.lipsync.harness import PAINTED, RATE, SIZE, film, run, voice
from tests.models.video import media

FPS = Fraction(25)


class Bright(nn.Module):
    """Faces whose brightness is the mean of their mel window, scaled from -4..4 to 0..1; one pixel
    is black, for a face of a single color is an error.
    """

    def forward(self, mel, face):
        light = (mel.mean(dim=(1, 2, 3)) + 4) / 8
        faces = light[:, None, None, None].repeat(1, 3, 96, 96)
        faces[:, :, 0, 0] = 0
        return faces


@pytest.fixture
def sync():
    def make(**options):
        device = Device(torch.device("cpu"), torch.float32, 4)
        return Wav2LipSync(Bright(), device, **options)

    return make


@pytest.fixture
def audio(tmp_path):
    return voice(tmp_path / "voice.wav", 2, (0.4, 1.92))


def test_the_windows_cover_the_whole_voice(sync, audio):
    ours = sync()

    features = list(ours.audio_features(audio, FPS, 50, Fraction(0)))

    assert ours.frame_count(audio, FPS, 50) == len(features) == 50
    assert {window.shape for window in features} == {(1, 80, 16)}
    assert features[48].max() > 0


def test_upstream_windows_follow_the_authors_schedule(sync, audio):
    theirs = sync(upstream=True)
    samples = np.concatenate(list(sound.blocks(audio, rate=RATE)))
    mel = mel_spectrogram(samples)
    starts = window_starts(mel.shape[1], FPS, upstream=True)

    features = np.stack(list(theirs.audio_features(audio, FPS, 50, Fraction(0))))

    assert theirs.frame_count(audio, FPS, 50) == len(starts) == 47
    assert np.abs(features - np.stack(list(windows([mel], starts)))).max() < 1e-5


def test_an_upstream_run_has_the_authors_length_and_hard_edges(tmp_path, sync, audio):
    clip = media.clip(tmp_path / "clip.mp4", [media.numbered(n, *SIZE) for n in range(50)])

    result = run(
        tmp_path,
        audio,
        video=clip,
        network=sync(upstream=True, pads=(0, 0, 0, 0)),
        upstream=True,
        blend="feather",
        rest_in_silence=True,
    )

    frames = [frame for _, frame in film(result.path)]
    assert len(frames) == result.frames == 47
    inside = CropArea(**PAINTED).of(frames[11])[3:-3, 3:-3]
    assert np.ptp(inside.astype(int)) < 8
    assert (
        abs(inside.astype(float).mean() - CropArea(**PAINTED).of(frames[30])[3:-3, 3:-3].mean()) > 4
    )
    assert [media.number_of(frame) for frame in frames] == list(range(47))


def test_paste_equals_the_authors_code(sync):
    rng = np.random.default_rng(2)
    frame = rng.integers(0, 255, (120, 160, 3), dtype=np.uint8)
    face = rng.random((3, 96, 96), dtype=np.float32)

    pasted = sync().paste(frame, CropArea(10, 90, 30, 95), face_crop.to_image(face))

    assert (pasted == face_crop.paste(frame, (10, 90, 30, 95), face)).all()


def test_pads_enlarge_the_crop_up_to_the_edge_of_the_frame(sync):
    frame = np.zeros((100, 100, 3), np.uint8)

    area = sync(pads=(5, 10, 3, 200)).crop_area(Box(20, 30, 40, 50), frame)

    assert area == CropArea(top=25, bottom=90, left=17, right=100)
