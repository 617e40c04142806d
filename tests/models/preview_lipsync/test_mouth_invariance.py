"""The mouth of a face is found at the same place in any light, color and size of its photo."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from bench.mouths import photo_changes
from bench.mouths.invariance import compare
from models.faces.detection.tilted import TiltedDetector
from models.faces.tracking.tracked_frame import TrackedFrame
from models.mouth.mouth import default_mouth, detect_mouth
from models.mouth.mouth_frames import HaarSquares
from models.mouth.mouth_tracker import MouthTracker
from models.mouth.opening_fields import Opening
from models.mouth.warp import MouthWarp
from tests.models.preview_lipsync.preview_media import FACES

BASES = {
    "as it is": lambda photo, face: photo,
    "tilted left": lambda photo, face: photo_changes.tilted(photo, face, -8),
    "tilted right": lambda photo, face: photo_changes.tilted(photo, face, 8),
    "small": photo_changes.shrunk,
    "close-up": photo_changes.close_up,
}


@pytest.fixture(scope="module")
def detector():
    return TiltedDetector(HaarSquares())


@pytest.fixture(params=FACES)
def face(request, detector):
    """A photo and the box of its face."""
    photo = cv2.imread(str(FACES[request.param].path))
    return photo, detector.detect(photo)[0]


def test_at_most_one_of_ninety_changed_photos_has_another_mouth(detector):
    compared = []
    for one in FACES.values():
        photo = cv2.imread(str(one.path))
        face = detector.detect(photo)[0]
        for base in BASES.values():
            changed = base(photo, face)
            compared += compare(changed, detector.detect(changed)[0])

    wrong = [str(one) for one in compared if one.is_wrong]
    assert len(compared) == len(FACES) * len(BASES) * len(photo_changes.LIGHT_AND_COLOR)
    assert len(wrong) <= len(compared) / 90, wrong


def test_the_mouth_stays_in_flickering_light(face):
    photo, box = face
    tracker, light = MouthTracker(), np.random.default_rng(1).uniform(0.5, 1.15, 20)
    frames = [np.clip(photo * gain, 0, 255).astype(np.uint8) for gain in light]

    mouths = [tracker(TrackedFrame(frame, box)) for frame in frames]

    assert np.ptp([[mouth.x, mouth.y] for mouth in mouths], axis=0).max() < 0.02 * box.w
    assert len({round(mouth.teeth) for mouth in mouths}) == 1


def test_a_mouth_behind_a_microphone_is_guessed(face):
    photo, box = face

    assert detect_mouth(photo_changes.with_microphone(photo, box), box) is None


def test_a_mouth_behind_a_mask_is_guessed(face):
    photo, box = face

    assert detect_mouth(photo_changes.masked(photo, box), box) is None


def test_a_guessed_mouth_only_moves_the_picture(face):
    """A plain mask stays plain: no dark mouth is drawn on it."""
    photo, box = face
    masked = photo_changes.masked(photo, box)
    mouth = default_mouth(box)

    drawn = MouthWarp(masked, mouth)(masked, Opening(1.0))

    x, y, reach = int(mouth.x), int(mouth.y), int(0.1 * box.w)
    part = np.s_[y - reach : y + reach, x - reach : x + reach]
    assert drawn[part].min() >= masked[part].min() - 12


def test_an_open_mouth_opens_further_in_its_middle(face):
    photo, box = face
    closed = detect_mouth(photo, box)
    spoken = MouthWarp(photo, closed)(photo, Opening(1.2))

    found = detect_mouth(spoken, box)

    assert abs(found.x - closed.x) < 0.06 * box.w
    assert abs(found.y - closed.y) < 0.1 * box.w
