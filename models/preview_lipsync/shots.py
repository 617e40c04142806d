"""The frames to draw on, each with the mouth that is to open in it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING

from models.errors import no_face
from models.faces.track import Tracker, follow
from models.preview_lipsync.follow import MouthFollower
from models.preview_lipsync.mouth import find_mouth, usual_mouth
from models.preview_lipsync.warp import MouthWarp

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from models.faces.detector import Detector, Frame


@dataclass(frozen=True)
class Shot:
    """A frame, and what opens its mouth; None where it shows no face."""

    frame: Frame
    warp: MouthWarp | None


def photo_shots(photo: Frame, detector: Detector) -> Iterator[Shot]:
    """The same photo again and again; the largest face in it speaks."""
    faces = detector.detect(photo)
    if not faces:
        raise no_face("image")
    mouth = find_mouth(photo, faces[0]) or usual_mouth(faces[0])
    return repeat(Shot(photo, MouthWarp(photo, mouth)))


def clip_shots(frames: Iterable[Frame], detector: Detector) -> Iterator[Shot]:
    """The frames of a clip; the face that is followed speaks."""
    mouth_of = MouthFollower()
    for sight in follow(frames, Tracker(detector)):
        mouth = mouth_of(sight)
        yield Shot(sight.frame, MouthWarp(sight.frame, mouth) if mouth else None)
