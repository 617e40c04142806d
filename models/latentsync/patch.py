"""A generated face as a rectangle of the frame, and where the rectangle shows it.

Only the repainted part of the face is put back, with a soft edge, and at its edge it has the colors
of the pixels there; the authors' own rule is `geometry.restore`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np
import torch
from torch.nn import functional

from models.latentsync import geometry
from models.lipsync.network import CropArea

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from models.arrays import Frame

_MARGIN: Final = 3
"""Pixels around the aligned face, for the filters that read neighbors."""
_SOFT_SHARE: Final = 1 / 48
"""Sigma of the soft edge, as a share of the face's size."""
_RING_SHARE: Final = 1 / 16
"""Width of the ring around the repainted part in which colors are compared, as a share of size."""
_SPREAD_SHARE: Final = 1 / 6
"""Sigma with which differences of color are spread, as a share of size."""
_REDUCTION: Final = 8
"""Pixels, in each direction, that have the same difference of color."""
_MIN_REDUCTION: Final = 1.15
"""Factor from which an image is smoothed before it becomes smaller by it."""
_SIGMA: Final = 0.45
"""Sigma of a pixel, seen as a blur, in pixels."""
_INSIDE: Final = 0.999
"""Share of a pixel that the aligned face covers, from which it counts as covered."""


@dataclass(frozen=True)
class AlignedArea(CropArea):
    """The pixels around an aligned face, and the similarity from them to the template."""

    matrix: tuple[tuple[float, float, float], ...] = ()

    @property
    def transform(self) -> NDArray[np.float64]:
        """The similarity `(2, 3)`, in pixels of the area."""
        return np.array(self.matrix)

    @property
    def scale(self) -> float:
        """Pixels of the template for one of the frame, in each direction."""
        return float(np.sqrt(np.linalg.det(self.transform[:, :2])))


def aligned_area(matrix: NDArray[np.float64], size: int, frame: Frame) -> AlignedArea:
    """The area of a face of which `matrix` is the alignment in the whole frame."""
    height, width = frame.shape[:2]
    corners = geometry.corners(matrix, size)
    (left, top), (right, bottom) = corners.min(axis=0) - _MARGIN, corners.max(axis=0) + _MARGIN
    rectangle = CropArea.inside(width, height, (left, top, right + 1, bottom + 1))
    shift = matrix[:, :2] @ (rectangle.left, rectangle.top)
    (a, b, u), (c, d, v) = np.column_stack((matrix[:, :2], matrix[:, 2] + shift)).tolist()
    edges = rectangle.top, rectangle.bottom, rectangle.left, rectangle.right
    return AlignedArea(*edges, matrix=((a, b, u), (c, d, v)))


def to_area(face: Tensor, area: AlignedArea, source: Frame) -> Frame:
    """A face `(3, size, size)` in -1..1, RGB, as BGR pixels of its area.

    `source` are the pixels of the area in the frame; they stay where the face does not reach.
    """
    levels = geometry.shrink((face / 2 + 0.5).clamp(0, 1) * 255).flip(0)
    smooth = smoothed(levels.permute(1, 2, 0).numpy(), area.scale)
    both = torch.cat((torch.from_numpy(smooth).permute(2, 0, 1), torch.ones_like(levels[:1])))
    moved = geometry.sample(both, area.transform, area.width, area.height).permute(1, 2, 0).numpy()
    found = np.where(moved[:, :, 3:] >= _INSIDE, moved[:, :, :3] + 0.5, source)
    return np.asarray(np.clip(found, 0, 255), np.uint8)


def smoothed(image: Any, factor: float) -> Any:
    """An image without what one that is smaller by this factor cannot show: else lines flicker.

    It is returned as it is where the factor is not far above 1.
    """
    if factor < _MIN_REDUCTION:
        return image
    return cv2.GaussianBlur(image, (0, 0), _SIGMA * float(np.sqrt(factor**2 - 1)))


def opacity(keep: NDArray[np.float32], area: AlignedArea) -> NDArray[np.uint8]:
    """Opacity of a generated face in each pixel of its area, 0..255; `keep` is that of the mask."""
    size = len(keep)
    soft = cv2.GaussianBlur(1 - keep, (0, 0), _SOFT_SHARE * size)
    distance = np.minimum(np.arange(size), np.arange(size)[::-1]) / (2 * _SOFT_SHARE * size)
    ramp = np.minimum(1, distance)
    shape = torch.from_numpy((soft * np.outer(ramp, ramp)).astype(np.float32))[None]
    moved = geometry.sample(geometry.shrink(shape), area.transform, area.width, area.height)
    return np.asarray((moved[0] * 255 + 0.5).clamp(0, 255).byte().numpy(), np.uint8)


def color_offset(face: Tensor, source: Tensor, keep: NDArray[np.float32]) -> Tensor:
    """What to add to the colors of a generated face, `(3, size, size)`: its difference to the
    source.

    It is measured in the pixels around the repainted part, which the network only reproduces, and
    spread into it smoothly: near each edge it is that of this edge.
    """
    size = len(keep)
    side = round(_RING_SHARE * size) | 1
    near = cv2.dilate(1 - keep, np.ones((side, side), np.uint8)) > 0
    ring = torch.from_numpy(near & (keep > _INSIDE)).to(face.dtype)[None]
    both = torch.cat(((source - face) * ring, ring))
    small = functional.avg_pool2d(both, _REDUCTION).permute(1, 2, 0).numpy()
    spread = cv2.GaussianBlur(
        small, (0, 0), _SPREAD_SHARE * size / _REDUCTION, borderType=cv2.BORDER_CONSTANT
    )
    field = torch.from_numpy(spread[:, :, :3] / spread[:, :, 3:]).permute(2, 0, 1)[None]
    return functional.interpolate(field, (size, size), mode="bilinear")[0]
