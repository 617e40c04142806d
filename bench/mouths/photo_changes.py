"""Photos made of a photo: other light, color, noise, size, tilt, and things before the mouth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from models.arrays import Frame
    from models.faces.box import Box


def gray(photo: Frame) -> Frame:
    return _frame(cv2.cvtColor(cv2.cvtColor(photo, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR))


def sepia(photo: Frame) -> Frame:
    return tinted(0.68, 0.88, 1.06)(gray(photo))


def tinted(*gains: float) -> Callable[[Frame], Frame]:
    """A change that multiplies blue, green and red."""
    return lambda photo: _frame(np.clip(photo * np.array(gains), 0, 255))


def compressed(photo: Frame, quality: int = 25) -> Frame:
    _, jpeg = cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return _frame(cv2.imdecode(jpeg, cv2.IMREAD_COLOR))


def noisy(photo: Frame) -> Frame:
    noise = np.random.default_rng(0).normal(0, 12, photo.shape)
    return _frame(np.clip(photo + noise, 0, 255))


def mirrored(photo: Frame) -> Frame:
    return np.ascontiguousarray(photo[:, ::-1])


LIGHT_AND_COLOR: dict[str, Callable[[Frame], Frame]] = {
    "gray": gray,
    "sepia": sepia,
    "dark": tinted(0.35, 0.35, 0.35),
    "light": tinted(1.5, 1.5, 1.5),
    "warm": tinted(0.6, 0.85, 1.15),
    "cold": tinted(1.2, 0.95, 0.65),
    "green": tinted(0.8, 1.15, 0.75),
    "jpeg": compressed,
    "gamma": lambda photo: _frame(255 * (photo / 255.0) ** 2),
    "noise": noisy,
    "mirror": mirrored,
}
"""Changes after which the mouth is at the same place, or mirrored."""


def tilted(photo: Frame, face: Box, degrees: float) -> Frame:
    """The head tilted clockwise about the center of the face, in a frame of the same size."""
    turn = cv2.getRotationMatrix2D(face.center, -degrees, 1)
    size = photo.shape[1], photo.shape[0]
    return _frame(cv2.warpAffine(photo, turn, size, borderMode=cv2.BORDER_REPLICATE))


def close_up(photo: Frame, face: Box) -> Frame:
    """Little more than the face, enlarged."""
    height, width = photo.shape[:2]
    part = face.expanded(1.25).clipped(width, height)
    rows = slice(int(part.y), int(part.y + part.h + 0.1 * face.h))
    columns = slice(int(part.x), int(part.x + part.w))
    return _frame(cv2.resize(photo[rows, columns], None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC))


def shrunk(photo: Frame, face: Box, width: int = 64) -> Frame:
    """The photo with a face of this width in pixels."""
    scale = width / face.w
    return _frame(cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))


def masked(photo: Frame, face: Box) -> Frame:
    """A surgical mask drawn over nose and mouth."""
    drawn, (x, y) = photo.copy(), face.center
    outline = ((-0.42, 0.08), (0, 0), (0.42, 0.08), (0.4, 0.4), (0.2, 0.66), (0, 0.72))
    outline = (*outline, (-0.2, 0.66), (-0.4, 0.4))
    points = np.array(outline) * face.w + (x, y)
    cv2.fillPoly(drawn, [points.round().astype(np.int32)], (205, 180, 140), cv2.LINE_AA)
    for row in (0.12, 0.25, 0.38):
        left, right = (round(x + side * face.w) for side in (-0.36, 0.36))
        high = round(y + row * face.w)
        thickness = max(1, int(face.w / 90))
        cv2.line(drawn, (left, high), (right, high), (188, 164, 126), thickness, cv2.LINE_AA)
    return drawn


def with_microphone(photo: Frame, face: Box) -> Frame:
    """A dark microphone drawn before the lower lip and the chin."""
    drawn, radius = photo.copy(), int(0.17 * face.w)
    x, y = int(face.center[0] + 0.02 * face.w), int(face.y + 0.97 * face.h)
    foot = x - int(0.25 * face.w), y + int(1.2 * face.w)
    cv2.line(drawn, (x, y), foot, (35, 35, 38), int(0.16 * face.w), cv2.LINE_AA)
    cv2.circle(drawn, (x, y), radius, (58, 58, 60), -1, cv2.LINE_AA)
    light = x - radius // 3, y - radius // 3
    cv2.circle(drawn, light, radius // 3, (95, 95, 98), -1, cv2.LINE_AA)
    return drawn


def side_by_side(left: Frame, right: Frame, height: int = 480) -> Frame:
    """Two people in one photo."""
    scaled = [
        cv2.resize(one, (round(one.shape[1] * height / one.shape[0]), height))
        for one in (left, right)
    ]
    return np.hstack([_frame(one) for one in scaled])


def _frame(values: Any) -> Frame:
    return np.asarray(values).astype(np.uint8)
