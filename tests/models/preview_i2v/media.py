from pathlib import Path

import av
import cv2
import numpy as np

PHOTO = Path(__file__).parents[3] / "cli/examples/face.jpg"


def nothing(stage, done=0, total=None, *, preview=None, notes=None, part=None):
    """A report callback that does nothing."""


def read_film(path):
    """Every frame of an MP4, decoded without the code under test."""
    with av.open(str(path)) as container:
        return np.array([frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)])


def comment_of(path):
    with av.open(str(path)) as container:
        return container.metadata["comment"]


def write_plain(path, color, *, width=400, height=300):
    cv2.imwrite(str(path), np.full((height, width, 3), color, np.uint8))
    return path


def mean_difference(one, other):
    """The mean difference of two frames in gray levels."""
    return float(np.abs(one.astype(np.float32) - other).mean())
