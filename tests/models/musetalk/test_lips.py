"""A voice and a frame to a frame that speaks, through the twin of all networks."""

from __future__ import annotations

import wave
from fractions import Fraction

import numpy as np
import pytest
import torch

from models.faces.box import Box
from models.lipsync.network import Area
from models.musetalk.audio import segments, window_indices
from models.musetalk.face.parser import BiSeNet
from models.musetalk.lips import MuseTalkLips
from models.musetalk.networks import MuseTalk, Sight
from models.video import sound
from tests.models.golden import figures

AREA = Area(60, 160, 100, 180)
FPS = Fraction(25)


@pytest.fixture
def frame():
    return figures.frame(240, 320, 9)


@pytest.fixture(scope="module")
def voice(tmp_path_factory):
    path = tmp_path_factory.mktemp("voice") / "voice.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes((figures.waveform(0.4) * 32_000).astype("<i2").tobytes())
    return path


@pytest.fixture
def lips(networks):
    return MuseTalkLips(networks)


@pytest.fixture(scope="module")
def heard(networks, voice):
    return list(MuseTalkLips(networks).hear(voice, FPS, 10, Fraction(0)))


def test_every_frame_of_the_voice_has_what_it_hears(heard):
    assert [window.shape for window in heard] == [(50, 32)] * 10


def test_frames_past_the_voice_hear_silence(lips, voice, heard):
    longer = list(lips.hear(voice, FPS, 40, Fraction(0)))

    assert len(longer) == 40
    assert np.allclose(np.stack(longer[:10]), np.stack(heard))
    assert (longer[-1] == 0).all()


def test_an_offset_shifts_what_is_heard(lips, voice, heard):
    later = list(lips.hear(voice, FPS, 10, Fraction(1, 25)))

    assert np.allclose(later[0], heard[1])


@pytest.mark.parametrize(
    ("fps", "seconds", "count"), [(Fraction(30000, 1001), 4, 116), (Fraction(12), 0.4, 4)], ids=str
)
def test_upstream_hears_by_the_authors_schedule(networks, tmp_path, fps, seconds, count):
    audio = tmp_path / "voice.wav"
    with wave.open(str(audio), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes((figures.waveform(seconds) * 32_000).astype("<i2").tobytes())
    theirs = MuseTalkLips(networks, upstream=True)

    heard = list(theirs.hear(audio, fps, theirs.length(audio, fps, 999), Fraction(0)))

    steps = _steps(networks, audio)
    places = window_indices(seconds, fps, upstream=True)
    assert len(heard) == len(places) == count
    for frame in (0, 1, count // 2, count - 1):
        expected = np.concatenate([steps[place] for place in places[frame]])
        assert np.allclose(heard[frame], expected, atol=1e-6)


def _steps(networks, audio):
    """All steps of the encoder, counted from 1; 0 is silence."""
    sounds = sound.blocks(audio, rate=16_000)
    stretches = [networks.ear._steps(segment) for segment in segments(sounds)]
    steps = np.concatenate(stretches)
    return np.concatenate((np.zeros_like(steps[:1]), steps))


def test_upstream_covers_what_the_authors_cover(lips, voice):
    assert lips.length(voice, Fraction(30000, 1001), 12) == 12
    upstream = MuseTalkLips(lips._networks, upstream=True)
    assert upstream.length(voice, Fraction(30000, 1001), 12) == 11


def test_what_it_rests_on_is_said(networks):
    assert networks.notes == {"runs_on": "cpu float32", "box": "landmarks", "mask": "oval"}


def test_faces_speak_in_order_however_large_the_batch(lips, frame, heard):
    seen = [lips.see(frame[::-1], AREA), *[lips.see(frame, AREA)] * 4]

    together = lips.speak(seen, heard[:5])

    alone = [lips.speak([lips.see(frame, AREA)], [window])[0] for window in heard[1:3]]
    assert len(together) == 5
    assert np.abs(together[1].astype(int) - alone[0]).max() <= 2
    assert np.abs(together[2].astype(int) - alone[1]).max() <= 2
    assert (together[0] != together[1]).mean() > 0.1


def test_a_face_is_encoded_once(lips, frame, heard):
    seen = lips.see(frame, AREA)

    first = lips.speak([seen, seen], heard[:2])
    latents = seen.latents
    again = lips.speak([seen], heard[:1])

    assert latents.shape == (8, 32, 32)
    assert seen.latents is latents
    assert seen.crop is None
    assert np.abs(first[0].astype(int) - again[0]).max() <= 2


def test_only_the_lower_half_of_the_box_changes(lips, frame, heard):
    made = lips.speak([lips.see(frame, AREA)], heard[:1])[0]

    result = lips.paste(frame, AREA, made)

    rows, columns, _ = np.nonzero(result != frame)
    assert 100 <= rows.min() < rows.max() < 160
    assert 100 <= columns.min() < columns.max() < 180


def test_a_photo_is_parsed_once(lips, frame):
    mask = lips.mask(frame, AREA)

    assert lips.mask(frame, AREA) is mask
    assert lips.mask(frame.copy(), AREA) is not mask
    assert lips.mask(frame, Area(60, 160, 100, 181)).shape == (100, 81)


def test_a_box_is_placed_in_a_frame(lips, frame):
    area = lips.area(Box(100, 60, 80, 100), frame)

    assert 0 <= area.top < area.bottom <= 240
    assert 0 <= area.left < area.right <= 320


def test_warming_up_is_quiet(networks):
    networks.warm_up()


def test_no_sight_is_no_face(lips):
    assert lips.speak([], []) == []


def test_the_parser_masks_and_broken_landmarks_are_done_without(tiny, tmp_path, frame):
    for part in ("unet", "vae", "whisper"):
        (tmp_path / part).symlink_to(tiny / part)
    (tmp_path / "dwpose").mkdir()
    (tmp_path / "dwpose/dw-ll_ucoco_384.onnx").write_bytes(b"no ONNX")
    (tmp_path / "parser").mkdir()
    state = figures.filled(BiSeNet().state_dict(), gain=0.7)
    torch.save(state, tmp_path / "parser/79999_iter.pth")

    networks = MuseTalk(tmp_path, torch.device("cpu"), torch.float32)
    mask = MuseTalkLips(networks).mask(frame, AREA)

    assert networks.notes == {"runs_on": "cpu float32", "box": "detector", "mask": "parser"}
    assert mask.shape == (100, 80)
    assert mask.dtype == np.uint8


def test_without_a_file_there_are_no_landmarks(tiny, tmp_path):
    for part in ("unet", "vae", "whisper"):
        (tmp_path / part).symlink_to(tiny / part)

    assert MuseTalk(tmp_path).notes["box"] == "detector"


def test_a_sight_holds_its_crop_until_it_is_used():
    assert Sight(np.zeros((256, 256, 3), np.uint8)).latents is None
