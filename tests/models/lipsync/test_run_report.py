"""A run reports its progress and stops at once when it is canceled."""

from __future__ import annotations

import threading

import cv2
import numpy as np
import pytest

from models.spec import Stage
from models.video import thumbnail
from tests.models.lipsync.harness import SIZE, Counting, Painter, portrait, run, voice
from tests.models.video import media


class Canceled(Exception):
    pass


@pytest.fixture
def clip(tmp_path):
    return media.clip(tmp_path / "clip.mp4", [media.numbered(n, *SIZE) for n in range(60)])


@pytest.fixture
def audio(tmp_path):
    return voice(tmp_path / "voice.wav", 2)


def test_every_frame_is_reported_with_its_preview(tmp_path, clip, audio):
    reported, pictures = [], []

    def report(stage, done=0, total=None, *, preview=None, notes=None, part=None):
        reported.append((stage, done, total))
        if preview and done in {1, 30}:
            pictures.append(cv2.imdecode(np.frombuffer(preview(), np.uint8), cv2.IMREAD_COLOR))

    run(tmp_path, audio, video=clip, report=report)

    assert reported[0] == (Stage.PREPROCESSING, 0, None)
    assert reported[1:] == [(Stage.GENERATING, n, 50) for n in range(1, 51)]
    assert [media.number_of(picture) for picture in pictures] == [0, 29]


@pytest.mark.parametrize(
    ("size", "small"), [((1920, 1080), (320, 180)), ((300, 600), (160, 320)), ((64, 64), (64, 64))]
)
def test_a_thumbnail_is_small_and_keeps_its_shape(size, small):
    noise = np.random.default_rng(1).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)

    file = thumbnail.jpeg(noise)

    picture = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR)
    assert (picture.shape[1], picture.shape[0]) == small
    assert file[:2] == b"\xff\xd8"
    assert len(file) < 60_000


@pytest.mark.parametrize("where", [0, 1, 6, 50])
def test_a_cancel_ends_all_threads_and_leaves_no_file(tmp_path, clip, audio, where):
    before = threading.active_count()

    def report(stage, done=0, total=None, *, preview=None, notes=None, part=None):
        if done == where:
            raise Canceled

    with pytest.raises(Canceled):
        run(tmp_path, audio, video=clip, report=report)

    assert threading.active_count() == before
    assert not (tmp_path / "out.mp4").exists()


def test_a_cancel_waits_for_the_current_batch_only(tmp_path, clip):
    """At frame 6 of 1000 the network has had a few batches, and gets no more."""
    network = Painter()
    audio = voice(tmp_path / "long.wav", 40)

    def report(stage, done=0, total=None, *, preview=None, notes=None, part=None):
        if done == 6:
            raise Canceled

    with pytest.raises(Canceled):
        run(tmp_path, audio, video=clip, network=network, report=report)

    assert network.faces <= 10 * network.batch


def test_a_cancel_stops_face_tracking(tmp_path, audio):
    face = portrait("portrait")
    clip = media.clip(tmp_path / "face.mp4", [face] * 60)
    before = threading.active_count()

    def report(stage, done=0, total=None, *, preview=None, notes=None, part=None):
        if done == 2:
            raise Canceled

    with pytest.raises(Canceled):
        run(tmp_path, audio, video=clip, detector=Counting(), report=report)

    assert threading.active_count() == before
    assert not (tmp_path / "out.mp4").exists()


def test_an_error_of_the_network_leaves_no_file(tmp_path, clip, audio):
    class Broken(Painter):
        def generate(self, faces, features):
            if self.faces >= 8:
                raise RuntimeError("the network broke")
            return super().generate(faces, features)

    before = threading.active_count()

    with pytest.raises(RuntimeError, match="the network broke"):
        run(tmp_path, audio, video=clip, network=Broken())

    assert threading.active_count() == before
    assert not (tmp_path / "out.mp4").exists()
