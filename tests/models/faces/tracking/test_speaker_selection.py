import pytest

from models.faces.box import Box
from models.faces.tracking.speaker_selection import Central, Index, Largest, Within

LEFT = Box(10, 50, 20, 20)
MIDDLE = Box(45, 45, 12, 12)
RIGHT = Box(70, 10, 28, 28)
FACES = [RIGHT, LEFT, MIDDLE]


@pytest.mark.parametrize(
    ("choice", "face"),
    [
        (Largest(), RIGHT),
        (Central(), MIDDLE),
        (Index(0), LEFT),
        (Index(1), MIDDLE),
        (Index(2), RIGHT),
        (Index(3), None),
        (Within(Box(0, 40, 30, 40)), LEFT),
        (Within(Box(0, 0, 5, 5)), None),
    ],
    ids=repr,
)
def test_one_of_three_is_chosen(choice, face):
    assert choice(FACES, 100, 100) == face


@pytest.mark.parametrize("choice", [Largest(), Central(), Index(0), Within(LEFT)], ids=repr)
def test_nobody_is_chosen_of_nobody(choice):
    assert choice([], 100, 100) is None
