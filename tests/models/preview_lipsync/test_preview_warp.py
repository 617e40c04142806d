import cv2
import numpy as np
import pytest

from models.faces.detection.haar import HaarDetector
from models.mouth.mouth import Mouth, detect_mouth
from models.mouth.opening_fields import Opening
from models.mouth.warp import MouthWarp
from tests.models.preview_lipsync.preview_media import FACES


def dark_part(frame, face):
    return frame[face.mouth].mean(axis=2) < 60


@pytest.fixture(scope="module", params=FACES)
def drawn(request):
    """A face, its photo, and the photo at several openings."""
    face = FACES[request.param]
    photo = cv2.imread(str(face.path))
    warp = MouthWarp(photo, detect_mouth(photo, HaarDetector().detect(photo)[0]))
    return face, photo, [warp(photo, Opening(part)) for part in (0.0, 0.2, 0.5, 1.0)]


def test_a_closed_mouth_returns_the_photo_itself(drawn):
    _, photo, frames = drawn

    assert frames[0] is photo


def test_the_photo_is_not_modified(drawn):
    face, photo, _ = drawn

    assert np.array_equal(photo, cv2.imread(str(face.path)))


def test_pixels_outside_the_lower_face_are_identical(drawn):
    face, photo, frames = drawn

    for frame in frames:
        for part in face.still:
            assert np.array_equal(frame[part], photo[part])


def test_a_wider_mouth_is_darker(drawn):
    face, _, frames = drawn

    dark = [dark_part(frame, face).mean() for frame in frames]

    assert dark[1:] == sorted(dark[1:])
    assert dark[-1] > dark[0] + 0.05


def test_the_width_of_the_mouth_follows_the_opening(drawn):
    face, photo, _ = drawn
    warp = MouthWarp(photo, detect_mouth(photo, HaarDetector().detect(photo)[0]))

    frames = [warp(photo, Opening(0.8, wide)) for wide in (-1.0, 0.0, 1.0)]

    widths = [dark_part(frame, face).any(axis=0).sum() for frame in frames]
    assert widths == sorted(widths)
    assert widths[0] < widths[2]


@pytest.mark.parametrize("place", [(0, 0), (511, 511), (-200, 256), (256, 900)])
def test_a_mouth_at_or_beyond_the_edge_does_not_fail(place):
    frame = np.full((512, 512, 3), 120, np.uint8)
    mouth = Mouth(*place, dx=40, dy=2, bow=0.1, teeth=0)

    drawn = MouthWarp(frame, mouth)(frame, Opening(1.0))

    assert drawn.shape == frame.shape
