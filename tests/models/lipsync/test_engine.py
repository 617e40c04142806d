"""The engine keeps the order of frames, passes frames without a face, and can be closed early."""

from __future__ import annotations

import threading
from fractions import Fraction
from itertools import count, islice

import numpy as np
import pytest

from models.faces.box import Box
from models.faces.tracking.tracked_frame import TrackedFrame
from models.lipsync.engine import Compositing, Engine
from models.lipsync.network import CropArea
from tests.models.lipsync.harness import painted

FACE = Box(20, 20, 40, 50)
LOWER = np.zeros((96, 96, 3), np.uint8)
LOWER[48:] = 200


class Painter:
    """A LipSyncNetwork that fills a face with the gray level of its audio feature."""

    batch = 4

    def __init__(self):
        self.batches = []
        self.looked = 0

    def audio_features(self, voice, fps, frames, offset):
        return iter(range(frames))

    def crop_area(self, face, frame):
        height, width = frame.shape[:2]
        return CropArea.inside(width, height, (face.x, face.y, face.x + face.w, face.y + face.h))

    def prepare_face(self, frame, area):
        self.looked += 1
        return area.of(frame)

    def mask(self, frame, area):
        return None

    def generate(self, faces, features):
        self.batches.append(len(faces))
        return [painted(grey) for grey in features]


@pytest.fixture
def painter():
    return Painter()


@pytest.fixture
def engine(painter):
    return Engine(painter, Compositing(hard=True))


def tracked_frame(box=FACE):
    return TrackedFrame(np.zeros((100, 90, 3), np.uint8), box)


def greys(frames):
    return [int(frame[40, 40, 0]) for frame in frames]


def run(engine, tracked, opacities=None):
    opacities = opacities or [1.0] * len(tracked)
    features = engine.network.audio_features(None, Fraction(25), len(tracked), Fraction(0))
    return list(engine.frames(tracked, features, opacities))


def test_every_face_gets_the_audio_features_of_its_own_frame(engine, painter):
    frames = run(engine, [tracked_frame() for _ in range(11)])

    assert greys(frames) == list(range(11))
    assert painter.batches == [4, 4, 3]


def test_frames_without_a_face_keep_their_position_and_pixels(engine, painter):
    tracked = [tracked_frame(FACE if n % 3 else None) for n in range(20)]

    frames = run(engine, tracked)

    assert greys(frames) == [n if n % 3 else 0 for n in range(20)]
    assert all(frames[n] is tracked[n].frame for n in range(0, 20, 3))
    assert sum(painter.batches) == 13


def test_a_video_without_a_face_never_calls_the_network(engine, painter):
    assert len(run(engine, [tracked_frame(None) for _ in range(40)])) == 40
    assert painter.batches == []


def test_a_frame_with_zero_opacity_never_calls_the_network(painter):
    painter.generate = lambda tracked, features: [LOWER for _ in features]
    engine = Engine(painter, Compositing())

    frames = run(engine, [tracked_frame() for _ in range(8)], [1, 1, 0, 0, 0, 0, 1, 1])

    assert painter.looked == 4
    assert [bool(frame.any()) for frame in frames] == [*[True] * 2, *[False] * 4, *[True] * 2]


def test_the_face_of_a_photo_is_cropped_once(engine, painter):
    one = tracked_frame()

    run(engine, [one] * 30)

    assert painter.looked == 1


def test_an_error_of_the_network_is_raised(painter):
    def fail(tracked, features):
        raise RuntimeError("the network broke")

    painter.generate = fail

    with pytest.raises(RuntimeError, match="the network broke"):
        run(Engine(painter, Compositing()), [tracked_frame() for _ in range(5)])


def test_closing_the_generator_early_ends_its_threads(engine, painter):
    before = threading.active_count()
    endless = (tracked_frame() for _ in count())
    frames = engine.frames(endless, count(), (1.0 for _ in count()))

    first = greys(islice(frames, 6))
    frames.close()

    assert first == list(range(6))
    assert threading.active_count() == before
    assert len(painter.batches) < 12
