"""The frames to draw on, each with the mouth that is to open in it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING

from models.errors import no_face_error
from models.faces.detection.haar import HaarDetector
from models.faces.tracking.speaker_selection import LargestFace
from models.faces.tracking.tracker import FaceTracker
from models.preview_lipsync.follow import MouthFollower
from models.preview_lipsync.mouth import find_mouth, usual_mouth
from models.preview_lipsync.warp import MouthWarp

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from fractions import Fraction

    from models.arrays import Frame
    from models.faces.box import Box
    from models.faces.detection.detector import Detector


class Squares(HaarDetector):
    """The cascade's squares as they are: the mouth is sought at its place in the square."""

    @property
    def name(self) -> str:
        """That of the cascade, and that its boxes are not shaped."""
        return f"{super().name} squares"

    def face_box(self, box: Box) -> Box:
        """The square itself."""
        return box


@dataclass(frozen=True)
class Shot:
    """A frame, and what opens its mouth; None where it shows no face."""

    frame: Frame
    warp: MouthWarp | None


def photo_shots(photo: Frame, detector: Detector) -> Iterator[Shot]:
    """The same photo again and again; the largest face in it speaks."""
    faces = detector.detect(photo)
    if not faces:
        raise no_face_error("image")
    mouth = find_mouth(photo, faces[0]) or usual_mouth(faces[0])
    return repeat(Shot(photo, MouthWarp(photo, mouth)))


def clip_shots(frames: Iterable[Frame], detector: Detector, fps: Fraction) -> Iterator[Shot]:
    """The frames of a clip; the largest face of each scene is followed and speaks."""
    mouth_of = MouthFollower()
    for seen in FaceTracker(detector, LargestFace(), fps=fps).track(frames):
        mouth = mouth_of(seen)
        yield Shot(seen.frame, MouthWarp(seen.frame, mouth) if mouth else None)
