"""The frames of a photo or video, with the mouth to open in each."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING

from models.errors import no_face_error
from models.faces.detection.haar import HaarDetector
from models.faces.tracking.speaker_selection import LargestFace
from models.faces.tracking.tracker import FaceTracker
from models.mouth.mouth import default_mouth, detect_mouth
from models.mouth.mouth_tracker import MouthTracker
from models.mouth.warp import MouthWarp

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from fractions import Fraction

    from models.arrays import Frame
    from models.faces.box import Box
    from models.faces.detection.detector import Detector
    from models.faces.tracking.required_face import RequiredFace


class HaarSquares(HaarDetector):
    """The cascade's squares unchanged: the mouth is searched at its position in the square."""

    @property
    def name(self) -> str:
        """The name of the cascade, marked as squares."""
        return f"{super().name} squares"

    def face_box(self, box: Box) -> Box:
        """The square itself."""
        return box


@dataclass(frozen=True)
class MouthFrame:
    """A frame and the warp that opens its mouth; None if the frame has no face."""

    frame: Frame
    warp: MouthWarp | None


def photo_frames(photo: Frame, detector: Detector) -> Iterator[MouthFrame]:
    """The same photo repeated; the largest face speaks."""
    faces = detector.detect(photo)
    if not faces:
        raise no_face_error("image")
    mouth = detect_mouth(photo, faces[0]) or default_mouth(faces[0])
    return repeat(MouthFrame(photo, MouthWarp(photo, mouth)))


def video_frames(
    frames: Iterable[Frame], detector: Detector, fps: Fraction, face: RequiredFace
) -> Iterator[MouthFrame]:
    """The frames of a video; the largest face of each scene is tracked and speaks.

    Raises `InputRejected` as `face` says.
    """
    mouth_of = MouthTracker()
    tracker = FaceTracker(detector, LargestFace(), fps=fps)
    for tracked in face.check(tracker.track(frames)):
        mouth = mouth_of(tracked)
        yield MouthFrame(tracked.frame, MouthWarp(tracked.frame, mouth) if mouth else None)
