"""What wav2lip hears and how its faces are laid over frames: our way, and the authors'."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn

from models.faces.box import Box
from models.lipsync.device import Place
from models.lipsync.network import Area
from models.video import sound
from models.wav2lip import face as faces
from models.wav2lip.lips import Wav2LipLips
from models.wav2lip.mel import mel_spectrogram, window_starts, windows
from tests.models.lipsync.stage import PAINTED, RATE, SIZE, film, run, voice
from tests.models.video import made

FPS = Fraction(25)


class Bright(nn.Module):
    """Faces as light as the mean of what they hear, from -4..4 to 0..1."""

    def forward(self, mel, face):
        light = (mel.mean(dim=(1, 2, 3)) + 4) / 8
        return light[:, None, None, None].expand(-1, 3, 96, 96)


@pytest.fixture
def lips():
    def make(**options):
        place = Place(torch.device("cpu"), torch.float32, 4)
        return Wav2LipLips(Bright(), place, **options)

    return make


@pytest.fixture
def audio(tmp_path):
    return voice(tmp_path / "voice.wav", 2, (0.4, 1.92))


def test_our_windows_cover_the_whole_voice(lips, audio):
    ours = lips()

    heard = list(ours.hear(audio, FPS, 50, Fraction(0)))

    assert ours.length(audio, FPS, 50) == len(heard) == 50
    assert {window.shape for window in heard} == {(1, 80, 16)}
    assert heard[48].max() > 0


def test_upstream_hears_by_the_authors_schedule(lips, audio):
    theirs = lips(upstream=True)
    samples = np.concatenate(list(sound.blocks(audio, rate=RATE)))
    mel = mel_spectrogram(samples)
    starts = window_starts(mel.shape[1], FPS, upstream=True)

    heard = np.stack(list(theirs.hear(audio, FPS, 50, Fraction(0))))

    assert theirs.length(audio, FPS, 50) == len(starts) == 47
    assert np.abs(heard - np.stack(list(windows([mel], starts)))).max() < 1e-5


def test_an_upstream_job_is_as_long_as_its_windows_and_pasted_hard(tmp_path, lips, audio):
    clip = made.clip(tmp_path / "clip.mp4", [made.numbered(n, *SIZE) for n in range(50)])

    result = run(
        tmp_path,
        audio,
        video=clip,
        lips=lips(upstream=True, pads=(0, 0, 0, 0)),
        upstream=True,
        blend="feather",
        rest_in_silence=True,
    )

    frames = [frame for _, frame in film(result.path)]
    assert len(frames) == result.frames == 47
    inside = Area(**PAINTED).of(frames[11])[3:-3, 3:-3]
    assert np.ptp(inside.astype(int)) < 8
    assert abs(inside.astype(float).mean() - Area(**PAINTED).of(frames[30])[3:-3, 3:-3].mean()) > 4
    assert [made.number_of(frame) for frame in frames] == list(range(47))


def test_a_paste_is_that_of_the_authors(lips):
    rng = np.random.default_rng(2)
    frame = rng.integers(0, 255, (120, 160, 3), dtype=np.uint8)
    face = rng.random((3, 96, 96), dtype=np.float32)

    pasted = lips().paste(frame, Area(10, 90, 30, 95), faces.picture(face))

    assert (pasted == faces.paste(frame, (10, 90, 30, 95), face)).all()


def test_pads_make_the_face_larger_and_end_at_the_frame(lips):
    frame = np.zeros((100, 100, 3), np.uint8)

    area = lips(pads=(5, 10, 3, 200)).area(Box(20, 30, 40, 50), frame)

    assert area == Area(top=25, bottom=90, left=17, right=100)
