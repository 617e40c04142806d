"""MuseTalk from voice and frame to the lip-synced frame, with tiny networks."""

from __future__ import annotations

import wave
from fractions import Fraction

import numpy as np
import pytest
import torch

from models.faces.box import Box
from models.lipsync.network import CropArea
from models.musetalk.audio import segments, window_indices
from models.musetalk.face.parser import BiSeNet
from models.musetalk.lip_sync import MuseTalkSync
from models.musetalk.networks import EncodedFace, MuseTalk
from models.video import sound
from tests.models.golden import figures

AREA = CropArea(60, 160, 100, 180)
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
def sync(networks):
    return MuseTalkSync(networks)


@pytest.fixture(scope="module")
def features(networks, voice):
    return list(MuseTalkSync(networks).audio_features(voice, FPS, 10, Fraction(0)))


def test_a_fixed_region_is_used_as_given(networks, frame):
    fixed = MuseTalkSync(networks, fixed_region=True)

    areas = [fixed.crop_area(Box(100, 60, 80, 100), frame) for _ in range(7)]

    assert areas == [AREA] * 7


def test_a_detected_face_gets_a_margin_below_the_chin(sync, frame):
    assert sync.crop_area(Box(100, 60, 80, 100), frame).bottom == 170


def test_every_frame_of_the_voice_has_features(features):
    assert [window.shape for window in features] == [(50, 32)] * 10


def test_frames_beyond_the_voice_get_silence(sync, voice, features):
    longer = list(sync.audio_features(voice, FPS, 40, Fraction(0)))

    assert len(longer) == 40
    assert np.allclose(np.stack(longer[:10]), np.stack(features))
    assert (longer[-1] == 0).all()


def test_an_offset_shifts_the_features(sync, voice, features):
    later = list(sync.audio_features(voice, FPS, 10, Fraction(1, 25)))

    assert np.allclose(later[0], features[1])


@pytest.mark.parametrize(
    ("fps", "seconds", "count"), [(Fraction(30000, 1001), 4, 116), (Fraction(12), 0.4, 4)], ids=str
)
def test_upstream_windows_follow_the_authors_schedule(networks, tmp_path, fps, seconds, count):
    audio = tmp_path / "voice.wav"
    with wave.open(str(audio), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes((figures.waveform(seconds) * 32_000).astype("<i2").tobytes())
    theirs = MuseTalkSync(networks, upstream=True)

    features = list(
        theirs.audio_features(audio, fps, theirs.frame_count(audio, fps, 999), Fraction(0))
    )

    steps = _steps(networks, audio)
    places = window_indices(seconds, fps, upstream=True)
    assert len(features) == len(places) == count
    for frame in (0, 1, count // 2, count - 1):
        expected = np.concatenate([steps[place] for place in places[frame]])
        assert np.allclose(features[frame], expected, atol=1e-6)


def _steps(networks, audio):
    """All steps of the encoder, counted from 1; 0 is silence."""
    sounds = sound.blocks(audio, rate=16_000)
    stretches = [networks.whisper._steps(segment) for segment in segments(sounds)]
    steps = np.concatenate(stretches)
    return np.concatenate((np.zeros_like(steps[:1]), steps))


def test_upstream_has_as_many_frames_as_the_authors_code(sync, voice):
    assert sync.frame_count(voice, Fraction(30000, 1001), 12) == 12
    upstream = MuseTalkSync(sync._networks, upstream=True)
    assert upstream.frame_count(voice, Fraction(30000, 1001), 12) == 11


def test_the_notes_say_where_boxes_and_masks_come_from(networks):
    assert networks.notes == {"runs_on": "cpu float32", "box": "landmarks", "mask": "oval"}


def test_faces_are_returned_in_order_for_any_batch_size(sync, frame, features):
    faces = [sync.prepare_face(frame[::-1], AREA), *[sync.prepare_face(frame, AREA)] * 4]

    together = sync.generate(faces, features[:5])

    alone = [
        sync.generate([sync.prepare_face(frame, AREA)], [window])[0] for window in features[1:3]
    ]
    assert len(together) == 5
    assert np.abs(together[1].astype(int) - alone[0]).max() <= 2
    assert np.abs(together[2].astype(int) - alone[1]).max() <= 2
    assert (together[0] != together[1]).mean() > 0.1


def test_a_face_is_encoded_once(sync, frame, features):
    faces = sync.prepare_face(frame, AREA)

    first = sync.generate([faces, faces], features[:2])
    latents = faces.latents
    again = sync.generate([faces], features[:1])

    assert latents.shape == (8, 32, 32)
    assert faces.latents is latents
    assert faces.crop is None
    assert np.abs(first[0].astype(int) - again[0]).max() <= 2


def test_only_the_lower_half_of_the_box_changes(sync, frame, features):
    generated = sync.generate([sync.prepare_face(frame, AREA)], features[:1])[0]

    result = sync.paste(frame, AREA, generated)

    rows, columns, _ = np.nonzero(result != frame)
    assert 100 <= rows.min() < rows.max() < 160
    assert 100 <= columns.min() < columns.max() < 180


def test_a_photo_is_parsed_once(sync, frame):
    mask = sync.mask(frame, AREA)

    assert sync.mask(frame, AREA) is mask
    assert sync.mask(frame.copy(), AREA) is not mask
    assert sync.mask(frame, CropArea(60, 160, 100, 181)).shape == (100, 81)


def test_the_crop_area_is_inside_the_frame(sync, frame):
    area = sync.crop_area(Box(100, 60, 80, 100), frame)

    assert 0 <= area.top < area.bottom <= 240
    assert 0 <= area.left < area.right <= 320


def test_warm_up_logs_nothing(networks):
    networks.warm_up()


def test_no_input_gives_no_face(sync):
    assert sync.generate([], []) == []


def test_masks_come_from_the_parser_and_a_broken_landmark_file_is_ignored(tiny, tmp_path, frame):
    for part in ("unet", "vae", "whisper"):
        (tmp_path / part).symlink_to(tiny / part)
    (tmp_path / "dwpose").mkdir()
    (tmp_path / "dwpose/dw-ll_ucoco_384.onnx").write_bytes(b"no ONNX")
    (tmp_path / "parser").mkdir()
    state = figures.filled(BiSeNet().state_dict(), gain=0.7)
    torch.save(state, tmp_path / "parser/79999_iter.pth")

    networks = MuseTalk(tmp_path, torch.device("cpu"), torch.float32)
    mask = MuseTalkSync(networks).mask(frame, AREA)

    assert networks.notes == {"runs_on": "cpu float32", "box": "detector", "mask": "parser"}
    assert mask.shape == (100, 80)
    assert mask.dtype == np.uint8


def test_without_its_file_there_is_no_landmark_detector(tiny, tmp_path):
    for part in ("unet", "vae", "whisper"):
        (tmp_path / part).symlink_to(tiny / part)

    assert MuseTalk(tmp_path).notes["box"] == "detector"


def test_an_encoded_face_keeps_its_crop_until_first_use():
    assert EncodedFace(np.zeros((256, 256, 3), np.uint8)).latents is None
