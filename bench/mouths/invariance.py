"""Whether preview-lipsync finds the same mouth when only the light or color of a photo changes.

    python -m bench.mouths.invariance PHOTO...

Prints, for each face and change, how far the mouth moved in widths of the face, and whether teeth
appeared or vanished; in the last line, how many changes were wrong. Faces narrower than 40 pixels
are left out.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.mouths.photo_changes import LIGHT_AND_COLOR
from models.faces.detection.tilted import TiltedDetector
from models.mouth.mouth import Mouth, detect_mouth
from models.mouth.mouth_frames import HaarSquares
from models.video.still import downscale, read_still

if TYPE_CHECKING:
    from collections.abc import Iterator

    from models.arrays import Frame
    from models.faces.box import Box

MAX_DISTANCE = 0.06
_MAX_SIDE, _MIN_WIDTH = 1280, 40


@dataclass(frozen=True)
class Comparison:
    """The mouth of a changed photo against that of the photo; `distance` in widths of the face,
    None if no mouth was found: the usual one is drawn faintly then.
    """

    change: str
    distance: float | None
    same_teeth: bool = True

    @property
    def is_wrong(self) -> bool:
        return self.distance is not None and (self.distance > MAX_DISTANCE or not self.same_teeth)

    def __str__(self) -> str:
        if self.distance is None:
            return f"{self.change} none"
        teeth = "" if self.same_teeth else " teeth"
        return f"{self.change} {self.distance:.2f}{teeth}{' WRONG' if self.is_wrong else ''}"


def compare(photo: Frame, face: Box) -> Iterator[Comparison]:
    """Each change of the photo; nothing if the photo itself shows no mouth in the face."""
    before = detect_mouth(photo, face)
    if before is None:
        return
    for name, change in LIGHT_AND_COLOR.items():
        width = photo.shape[1]
        mirrors = name == "mirror"
        box = replace(face, x=width - face.x - face.w, angle=-face.angle) if mirrors else face
        after = detect_mouth(change(photo), box)
        yield _comparison(name, before, after, box, width if mirrors else None)


def faces(path: Path, detector: Any) -> Iterator[tuple[Frame, Box]]:
    """The photo with each of its faces."""
    photo = downscale(read_still(path), _MAX_SIDE)
    for face in detector.detect(photo):
        if face.w >= _MIN_WIDTH:
            yield photo, face


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.mouths.invariance",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("photos", nargs="+", type=Path, metavar="PHOTO")
    detector, total, wrong = TiltedDetector(HaarSquares()), 0, 0
    for path in parser.parse_args().photos:
        for photo, face in faces(path, detector):
            compared = list(compare(photo, face))
            print(f"{path.name}:", ", ".join(map(str, compared)) or "no mouth found")
            total += len(compared)
            wrong += sum(one.is_wrong for one in compared)
    print(f"{wrong} of {total} wrong")


def _comparison(
    name: str, before: Mouth, after: Mouth | None, face: Box, mirror: int | None
) -> Comparison:
    if after is None:
        return Comparison(name, None)
    x = after.x if mirror is None else mirror - after.x
    distance = max(abs(x - before.x), abs(after.y - before.y)) / face.w
    return Comparison(name, distance, round(after.teeth) == round(before.teeth))


if __name__ == "__main__":
    main()
