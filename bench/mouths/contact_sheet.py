"""A contact sheet of mouths drawn by preview-lipsync, for a look at them.

    python -m bench.mouths.contact_sheet docs/mouths.jpg --portraits FOLDER

FOLDER has `obama.jpg` and `biden.jpg` of the source archive of face_recognition 1.3.0 on PyPI (in
`tests/test_images`), official portraits in the public domain. The other photos are in this
repository. Each row of three shows a mouth closed, half open and open.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from bench.example_media import PHOTO
from bench.mouths import photo_changes as change
from models.faces.detection.tilted import TiltedDetector
from models.mouth.mouth import default_mouth, detect_mouth
from models.mouth.mouth_frames import HaarSquares
from models.mouth.opening_fields import Opening
from models.mouth.warp import MouthWarp
from models.video.still import downscale, read_still

if TYPE_CHECKING:
    from models.arrays import Frame
    from models.faces.box import Box

_TESTS = Path(__file__).parents[2] / "tests" / "models" / "preview_lipsync" / "media"
_OPENINGS: Final = (0.0, 0.5, 1.0)
_SIDE: Final = 150
"""Pixels of one picture."""
_COLUMNS: Final = 3
_MAX_SIDE: Final = 1280
_QUALITY: Final = 86


@dataclass(frozen=True)
class Portraits:
    """The photos from which all others are made."""

    hopper: Frame
    collins: Frame
    obama: Frame
    biden: Frame


class Sheet:
    """Draws photos with one detector."""

    def __init__(self) -> None:
        self._detector = TiltedDetector(HaarSquares())

    def face(self, photo: Frame) -> Box:
        """The largest face."""
        return self._detector.detect(photo)[0]

    def opened(self, photo: Frame) -> Frame:
        """The photo with its mouth open, as an input."""
        return self._warp(photo)(photo, Opening(0.9))

    def row(self, title: str, photo: Frame) -> Frame:
        """The face with its mouth closed, half open and open, with a title."""
        warp, face = self._warp(photo), self.face(photo)
        views = [_view(warp(photo, Opening(part)), face) for part in _OPENINGS]
        note = f"{title}{', guessed' if warp.is_guessed else ''}"
        return np.vstack([_title(note, _SIDE * len(views)), np.hstack(views)])

    def _warp(self, photo: Frame) -> MouthWarp:
        face = self.face(photo)
        return MouthWarp(photo, detect_mouth(photo, face) or default_mouth(face))


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.mouths.contact_sheet",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("out", type=Path, help="the JPEG to write")
    parser.add_argument("--portraits", type=Path, required=True, metavar="FOLDER")
    arguments = parser.parse_args()
    portraits = Portraits(
        hopper=_photo(PHOTO),
        collins=_photo(_TESTS / "astronaut.jpg"),
        obama=_photo(arguments.portraits / "obama.jpg"),
        biden=_photo(arguments.portraits / "biden.jpg"),
    )
    sheet = Sheet()
    rows = [sheet.row(title, photo) for title, photo in photos(portraits, sheet).items()]
    rows += [np.full_like(rows[0], 255)] * (-len(rows) % _COLUMNS)
    lines = [np.hstack(rows[start : start + _COLUMNS]) for start in range(0, len(rows), _COLUMNS)]
    cv2.imwrite(str(arguments.out), np.vstack(lines), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])


def photos(portraits: Portraits, sheet: Sheet) -> dict[str, Frame]:
    """The photos of the sheet by their titles; `made` says that a photo was changed."""
    hopper, collins, obama = portraits.hopper, portraits.collins, portraits.obama
    face = sheet.face
    dark, pair = change.tinted(0.25, 0.25, 0.25), change.side_by_side(obama, collins)
    return {
        "glasses, closed": hopper,
        "smile": collins,
        "bared teeth": obama,
        "three-quarter": portraits.biden,
        "tilted by -25 (made)": change.tilted(hopper, face(hopper), -25),
        "tilted by 30 (made)": change.tilted(collins, face(collins), 30),
        "on its side (made)": np.rot90(hopper, 3).copy(),
        "gray (made)": change.gray(collins),
        "sepia (made)": change.sepia(obama),
        "dark (made)": dark(obama),
        "close-up (made)": change.close_up(hopper, face(hopper)),
        "small, 64 pixels (made)": change.shrunk(collins, face(collins)),
        "open mouth (made)": sheet.opened(hopper),
        "mask (drawn)": change.masked(hopper, face(hopper)),
        "microphone (drawn)": change.with_microphone(obama, face(obama)),
        "microphone, closed (drawn)": change.with_microphone(hopper, face(hopper)),
        "two people (made), the larger": pair,
        "strong JPEG (made)": change.compressed(collins, 15),
    }


def _photo(path: Path) -> Frame:
    return downscale(read_still(path), _MAX_SIDE)


def _view(frame: Frame, face: Box) -> Frame:
    """The face in the middle of a picture of 150 x 150 pixels."""
    scale = _SIDE / (1.15 * face.w)
    x, y = face.center
    move = np.array([[scale, 0, _SIDE / 2 - scale * x], [0, scale, 0.43 * _SIDE - scale * y]])
    if scale < 1:
        frame = np.asarray(cv2.GaussianBlur(frame, (0, 0), 0.4 / scale), np.uint8)
    view = cv2.warpAffine(frame, move, (_SIDE, _SIDE), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(view, np.uint8)


def _title(text: str, width: int) -> Frame:
    strip = np.full((20, width, 3), 255, np.uint8)
    font = cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(strip, text, (4, 14), font, 0.45, (40, 40, 40), 1, cv2.LINE_AA)
    return strip


if __name__ == "__main__":
    main()
