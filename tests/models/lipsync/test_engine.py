"""The stream keeps frames in order, passes faceless ones through, and ends when it is told to."""

from __future__ import annotations

import threading
from fractions import Fraction
from itertools import count, islice

import numpy as np
import pytest

from models.faces.box import Box
from models.faces.tracking.tracked_frame import TrackedFrame
from models.lipsync.engine import Engine, Look
from models.lipsync.network import Area

FACE = Box(20, 20, 40, 50)
LOWER = np.zeros((96, 96, 3), np.uint8)
LOWER[48:] = 200


class Painter:
    """Lips that paint a face in the grey of what it hears."""

    batch = 4

    def __init__(self):
        self.batches = []
        self.looked = 0

    def hear(self, voice, fps, frames, offset):
        return iter(range(frames))

    def area(self, face, frame):
        height, width = frame.shape[:2]
        return Area.inside(width, height, (face.x, face.y, face.x + face.w, face.y + face.h))

    def see(self, frame, area):
        self.looked += 1
        return area.of(frame)

    def mask(self, frame, area):
        return None

    def speak(self, seen, heard):
        self.batches.append(len(seen))
        return [np.full((96, 96, 3), grey, np.uint8) for grey in heard]


@pytest.fixture
def painter():
    return Painter()


@pytest.fixture
def engine(painter):
    return Engine(painter, Look(hard=True))


def shot(box=FACE):
    return TrackedFrame(np.zeros((100, 90, 3), np.uint8), box)


def greys(frames):
    return [int(frame[40, 40, 0]) for frame in frames]


def run(engine, seen, strengths=None):
    strengths = strengths or [1.0] * len(seen)
    heard = engine.lips.hear(None, Fraction(25), len(seen), Fraction(0))
    return list(engine.frames(seen, heard, strengths))


def test_every_face_speaks_what_its_own_frame_hears(engine, painter):
    frames = run(engine, [shot() for _ in range(11)])

    assert greys(frames) == list(range(11))
    assert painter.batches == [4, 4, 3]


def test_faceless_frames_keep_their_place_and_their_pixels(engine, painter):
    seen = [shot(FACE if n % 3 else None) for n in range(20)]

    frames = run(engine, seen)

    assert greys(frames) == [n if n % 3 else 0 for n in range(20)]
    assert all(frames[n] is seen[n].frame for n in range(0, 20, 3))
    assert sum(painter.batches) == 13


def test_a_clip_without_any_face_asks_the_network_nothing(engine, painter):
    assert len(run(engine, [shot(None) for _ in range(40)])) == 40
    assert painter.batches == []


def test_a_mouth_at_rest_costs_no_network(painter):
    painter.speak = lambda seen, heard: [LOWER for _ in heard]
    engine = Engine(painter, Look())

    frames = run(engine, [shot() for _ in range(8)], [1, 1, 0, 0, 0, 0, 1, 1])

    assert painter.looked == 4
    assert [bool(frame.any()) for frame in frames] == [*[True] * 2, *[False] * 4, *[True] * 2]


def test_the_face_of_a_photo_is_cut_out_once(engine, painter):
    one = shot()

    run(engine, [one] * 30)

    assert painter.looked == 1


def test_an_error_of_the_network_comes_out(painter):
    def fail(seen, heard):
        raise RuntimeError("the network broke")

    painter.speak = fail

    with pytest.raises(RuntimeError, match="the network broke"):
        run(Engine(painter, Look()), [shot() for _ in range(5)])


def test_closing_it_early_ends_its_threads(engine, painter):
    before = threading.active_count()
    endless = (shot() for _ in count())
    frames = engine.frames(endless, count(), (1.0 for _ in count()))

    first = greys(islice(frames, 6))
    frames.close()

    assert first == list(range(6))
    assert threading.active_count() == before
    assert len(painter.batches) < 12
