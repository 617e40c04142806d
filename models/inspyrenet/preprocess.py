"""From a picture to the network's input."""

from __future__ import annotations

from math import ceil, sqrt
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import torch

from models.inspyrenet.network import MULTIPLE

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

Resize = Literal["static", "dynamic"]
Size = tuple[int, int]

MEAN: Final = (0.485, 0.456, 0.406)
DEVIATION: Final = (0.229, 0.224, 0.225)
SHORT_SIDE: Final = 1280
_WEIGHT_BITS: Final = 22
"""Fraction bits of the weights of a resize; times 255 they fit in int32."""


def prepare(
    rgb: NDArray[np.uint8], *, resize: Resize, base_size: Size, short_side: int = SHORT_SIDE
) -> Tensor:
    """A picture `(h, w, 3)` of uint8 as a normalized input `(1, 3, H, W)` of float32.

    `static`: at the base size (height, width), the proportions not kept. `dynamic`: at its own
    size, or with its short side at `short_side` if that is less; both sides near a multiple of 32.
    """
    size = base_size if resize == "static" else dynamic_size(rgb.shape[:2], short_side=short_side)
    own = np.array(rgb, order="C")  # PyTorch takes neither read-only nor mirrored arrays
    return normalized(resized(torch.from_numpy(own).permute(2, 0, 1)[None], size))


def dynamic_size(
    size: tuple[int, ...], *, short_side: int = SHORT_SIDE, max_pixels: int | None = None
) -> Size:
    """Height and width for `dynamic`: multiples of 32, no side 0, no more than `max_pixels`.

    The cap bounds the memory of long pictures: without it 5000 x 1300 becomes 4928 x 1280.
    """
    height, width = size
    scale = min(1.0, short_side / min(height, width))
    if max_pixels is not None:
        scale = min(scale, sqrt(max_pixels / (height * width)))
    rows, columns = _multiple(height * scale), _multiple(width * scale)
    while max_pixels is not None and rows * columns > max_pixels and max(rows, columns) > MULTIPLE:
        rows, columns = (
            (rows - MULTIPLE, columns) if rows >= columns else (rows, columns - MULTIPLE)
        )
    return rows, columns


def resized(pictures: Tensor, size: Size) -> Tensor:
    """Pictures `(B, 3, h, w)` of uint8 at another size, anti-aliased, on any device.

    In whole numbers, along the rows and then along the columns, as Pillow's `BILINEAR`: the same
    values, or one gray level beside them where Pillow begins with the columns. Those of
    `functional.interpolate` differ in up to a fifth of all pixels.
    """
    for axis, length in ((3, size[1]), (2, size[0])):
        if pictures.shape[axis] != length:
            pictures = _resized_axis(pictures, length, axis)
    return pictures


def normalized(pictures: Tensor) -> Tensor:
    """`(B, 3, h, w)` of uint8 as float32, with the mean and deviation of the training pictures."""
    mean = torch.tensor(MEAN, device=pictures.device).view(3, 1, 1)
    deviation = torch.tensor(DEVIATION, device=pictures.device).view(3, 1, 1)
    return (pictures.float() / 255 - mean) / deviation


def _multiple(side: float) -> int:
    return max(MULTIPLE, round(side / MULTIPLE) * MULTIPLE)


def _resized_axis(pictures: Tensor, length: int, axis: int) -> Tensor:
    indices, weights = _taps(pictures.shape[axis], length)
    shape = [-1 if each == axis else 1 for each in range(pictures.dim())]
    total: Tensor | int = 1 << (_WEIGHT_BITS - 1)
    for index, weight in zip(indices.to(pictures.device), weights.to(pictures.device), strict=True):
        total = total + pictures.index_select(axis, index).int() * weight.view(shape)
    return (torch.as_tensor(total) >> _WEIGHT_BITS).clamp_(0, 255).to(torch.uint8)


def _taps(source: int, target: int) -> tuple[Tensor, Tensor]:
    """Source positions and whole-number weights of each target position, `(taps, target)`.

    The weights are a triangle as wide as the shrinking needs, and add up to `1 << _WEIGHT_BITS`.
    """
    scale = source / target
    support = max(scale, 1.0)
    centers = (torch.arange(target, dtype=torch.float64) + 0.5) * scale
    first = (centers - support + 0.5).trunc().clamp(min=0).long()
    last = (centers + support + 0.5).trunc().clamp(max=source).long()
    indices = first + torch.arange(2 * ceil(support) + 1)[:, None]
    weights = (1 - ((indices - centers + 0.5) / support).abs()).clamp(min=0)
    weights = torch.where(indices < last, weights, 0.0)
    weights = (weights / weights.sum(dim=0) * (1 << _WEIGHT_BITS) + 0.5).int()
    return indices.clamp(max=source - 1), weights
