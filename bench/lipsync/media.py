"""Generates the inputs of the lip-sync benchmark: a clip, and weights by formula."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch

from bench.example_media import PHOTO
from models.video.still import read_still
from models.video.writer import Writer
from models.wav2lip.network import Wav2Lip
from tests.models.golden import figures

if TYPE_CHECKING:
    from pathlib import Path

FPS = Fraction(25)
PERIOD = 250
"""Frames after which the motion repeats."""


def create_clip(path: Path, seconds: float, height: int) -> None:
    """Write a clip of the example photo, slowly moving; its face stays inside `face_region`."""
    photo = read_still(PHOTO)
    width = round(height * 4 / 3)
    with Writer(path, width=width, height=height, fps=FPS) as writer:
        for index in range(round(seconds * FPS)):
            writer.write(_draw_frame(photo, index, width, height))


def face_region(height: int) -> dict[str, int]:
    """The region of the face, the same for all implementations compared."""
    middle, half = height * 2 // 3, height * 3 // 16
    top = height * 5 // 16
    return {
        "top": top,
        "bottom": top + half * 5 // 2,
        "left": middle - half,
        "right": middle + half,
    }


def create_weights(path: Path) -> None:
    """Write a checkpoint in the published form with generated values: speed is the same."""
    state = figures.filled(Wav2Lip().state_dict(), gain=0.75)
    checkpoint = {"state_dict": state, "optimizer": None, "global_step": 1, "global_epoch": 1}
    torch.save(checkpoint, path, _use_new_zipfile_serialization=False)


def _draw_frame(photo: Any, index: int, width: int, height: int) -> Any:
    turn = index * 2 * np.pi / PERIOD
    zoom = height / 480 * (1 + 0.05 * np.sin(2 * turn))
    by = cv2.getRotationMatrix2D((264, 225), 2 * np.sin(turn), zoom)
    by[:, 2] += width / 2 - 264, height / 2 - 225
    moved = cv2.warpAffine(photo, by, (width, height), borderMode=cv2.BORDER_REFLECT)
    return np.asarray(moved, np.uint8)
