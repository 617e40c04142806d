import pytest

from models.faces.box import Box
from models.faces.tracking.speaker_selection import (
    CentralFace,
    FaceAtIndex,
    FaceInBox,
    LargestFace,
)

LEFT = Box(10, 50, 20, 20)
MIDDLE = Box(45, 45, 12, 12)
RIGHT = Box(70, 10, 28, 28)
FACES = [RIGHT, LEFT, MIDDLE]


@pytest.mark.parametrize(
    ("selector", "face"),
    [
        (LargestFace(), RIGHT),
        (CentralFace(), MIDDLE),
        (FaceAtIndex(0), LEFT),
        (FaceAtIndex(1), MIDDLE),
        (FaceAtIndex(2), RIGHT),
        (FaceAtIndex(3), None),
        (FaceInBox(Box(0, 40, 30, 40)), LEFT),
        (FaceInBox(Box(0, 0, 5, 5)), None),
    ],
    ids=repr,
)
def test_one_of_three_faces_is_selected(selector, face):
    assert selector(FACES, 100, 100) == face


@pytest.mark.parametrize(
    "selector", [LargestFace(), CentralFace(), FaceAtIndex(0), FaceInBox(LEFT)], ids=repr
)
def test_no_face_is_selected_if_there_is_none(selector):
    assert selector([], 100, 100) is None
