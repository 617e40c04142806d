"""Where each person is in the picture, and in the latents of its frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from models.errors import InputRejected
from models.lipsync.input import Region

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.faces.box import Box
    from models.faces.detection.detector import Detector
    from models.multitalk.request.input import Input
    from models.video.guarded.photo import Photo
    from models.wan.request.framing import Framing

_MARGIN: Final = 0.05
"""Share of a half of the picture that its rectangle leaves free at each side."""
_FACE_SCALE: Final = 2.0
"""A person's rectangle is a face's, enlarged by this factor: with hair and shoulders."""
LATENT: Final = 8
"""Pixels per side of one latent pixel."""


@dataclass(frozen=True)
class People:
    """The rectangles of the people in pixels of the picture as sent, and how they were found."""

    regions: tuple[Region, ...] = ()
    """None: the whole picture follows the one voice."""
    source: str = "whole picture"
    scale: float = 1.0
    """Pixels of the decoded picture per pixel of the one that was sent."""

    @property
    def notes(self) -> dict[str, Any]:
        """What a job shows of them."""
        listed = [region.model_dump() for region in self.regions]
        return {"people_from": self.source} | ({"people": listed} if listed else {})


def locate(params: Input, picture: Photo, detector: Detector) -> People:
    """Find the people in the picture, as the request says.

    Raises `InputRejected`: `region_outside`, and `no_face` where two faces are asked for.
    """
    width, height = picture.width, picture.height
    if not isinstance(params.people, str):
        _check_inside(params.people, width, height)
        return People(tuple(params.people), "rectangles", picture.scale)
    if params.voices == 1:
        return People()
    if params.people == "halves":
        return People(_halves(width, height), "halves", picture.scale)
    faces = detector.detect(picture.image)
    if params.people == "faces" and len(faces) < 2:
        raise InputRejected(
            "no_face",
            f"{len(faces) or 'No'} face{'s were' if len(faces) != 1 else ' was'} found, but two "
            "people speak. Set `people` to two rectangles, or to `halves`.",
            field="people",
        )
    if params.people == "faces" or len(faces) == 2:
        boxes = [detector.face_box(face).scaled(1 / picture.scale) for face in faces[:2]]
        return People(_around_faces(boxes, width, height), "faces", picture.scale)
    return People(_halves(width, height), "halves", picture.scale)


def cells(people: People, framing: Framing) -> list[tuple[slice, slice]]:
    """Rows and columns of latent pixels that each person covers in the framed picture.

    Raises `region_outside` for a rectangle that is cropped away.
    """
    columns, rows = (side // LATENT for side in framing.frame_size)
    crop, scale, found = framing.crop, people.scale, []
    for person, region in enumerate(people.regions, start=1):
        down = region.top * scale, region.bottom * scale
        across = region.left * scale, region.right * scale
        top, bottom = _span(*down, crop.top, crop.height, rows)
        left, right = _span(*across, crop.left, crop.width, columns)
        if top >= bottom or left >= right:
            raise InputRejected(
                "region_outside",
                f"Rectangle {person} of `people` lies in the part of the picture that is "
                f"cropped: the video shows {framing.describe()}.",
                field="people",
            )
        found.append((slice(top, bottom), slice(left, right)))
    return found


def _span(start: float, stop: float, offset: int, length: int, cells: int) -> tuple[int, int]:
    """The cells that a span of the picture covers in the framed one: at least two, one token."""
    first = round((start - offset) / length * cells)
    last = max(round((stop - offset) / length * cells), first + 2)
    return max(first, 0) // 2 * 2, min(last, cells)


def _check_inside(regions: Sequence[Region], width: int, height: int) -> None:
    for number, region in enumerate(regions, start=1):
        if region.right > width or region.bottom > height:
            raise InputRejected(
                "region_outside",
                f"Rectangle {number} ends at {region.right} x {region.bottom}, but the picture is "
                f"{width} x {height}.",
                field="people",
            )


def _halves(width: int, height: int) -> tuple[Region, Region]:
    top, bottom = round(_MARGIN * height), round((1 - _MARGIN) * height)
    margin, half = round(_MARGIN * width / 2), width // 2
    return (
        _region(top, bottom, margin, half - margin),
        _region(top, bottom, half + margin, width - margin),
    )


def _around_faces(faces: Sequence[Box], width: int, height: int) -> tuple[Region, ...]:
    """Rectangles around two faces, the left one first, that meet between the two at most."""
    first, second = sorted(faces, key=lambda face: face.center[0])
    middle = round((first.center[0] + second.center[0]) / 2)
    limits = (0, middle), (middle, width)
    regions = []
    for face, (left, right) in zip((first, second), limits, strict=True):
        box = face.expanded(_FACE_SCALE).clipped(width, height)
        regions.append(
            _region(
                round(box.y),
                round(box.y + box.h),
                max(left, round(box.x)),
                min(right, round(box.x + box.w)),
            )
        )
    return tuple(regions)


def _region(top: int, bottom: int, left: int, right: int) -> Region:
    """A rectangle that the code computed, of whatever size."""
    return Region.model_construct(top=top, bottom=bottom, left=left, right=right)
