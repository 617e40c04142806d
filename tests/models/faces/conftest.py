from pathlib import Path

import cv2
import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def portrait():
    return cv2.imread(str(ROOT / "cli/examples/face.jpg"))


@pytest.fixture(scope="session")
def smiling():
    return cv2.imread(str(ROOT / "tests/models/preview_lipsync/media/astronaut.jpg"))
