"""A face in the position that the network knows, and its way back into the frame.

Three points decide: the middle of each brow, as seen in the image, and the middle of the nose. A
similarity moves them onto a template 210 wide and 280 high, which is then stretched to a square.
"""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
import torch
from torch.nn import functional

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from torch import Tensor

    from models.arrays import Frame

SIZE: Final = 256
"""Of the square for which the template is given; others are in proportion."""
_TEMPLATE: Final = ((47.6, 56.0), (162.4, 56.0), (105.0, 112.0))
_TEMPLATE_SIZE: Final = (210, 280)
_OUTSIDE: Final = 127.0
"""Gray level of what lies outside the frame."""
_EDGE_SHARE: Final = 20
"""The soft edge is this part of the side of a square with the area of the face."""


def align(points: ArrayLike, size: int) -> NDArray[np.float64]:
    """The similarity `(2, 3)` from pixels of the frame to the template of a square `size`.

    `points` are x and y of left brow, right brow and nose. It is a least-squares fit with the ratio
    of the deviations as its scale; a mirrored face is not mirrored back.
    """
    source = np.asarray(points, np.float64).reshape(3, 2)
    target = np.array(_TEMPLATE) * size / SIZE
    source_center, target_center = source.mean(axis=0), target.mean(axis=0)
    source_spread = (source - source_center).std(ddof=1)
    target_spread = (target - target_center).std(ddof=1)
    left, _, right = np.linalg.svd((source - source_center).T @ (target - target_center))
    if np.linalg.det(left @ right) < 0:
        left[:, -1] *= -1
    linear = (left @ right).T * (target_spread / source_spread)
    return np.column_stack((linear, target_center - linear @ source_center))


def warp(frame: Frame, matrix: NDArray[np.float64], size: int) -> NDArray[np.uint8]:
    """The aligned face, `(size, size, 3)`; gray where it lies outside the frame."""
    width, height = _template_size(size)
    image = torch.from_numpy(frame).permute(2, 0, 1).float() - _OUTSIDE
    aligned = sample(image, inverse(matrix), width, height) + _OUTSIDE
    levels = aligned.clamp(0, 255).byte().permute(1, 2, 0).contiguous().numpy()
    return np.asarray(cv2.resize(levels, (size, size), interpolation=cv2.INTER_LANCZOS4), np.uint8)


def restore(frame: Frame, face: Tensor, matrix: NDArray[np.float64]) -> Frame:
    """A copy of the frame with a face put back by the authors' rule, its whole rectangle feathered.

    `face` is `(3, size, size)` in -1..1, in the order of the frame's channels.
    """
    height, width = frame.shape[:2]
    template = shrink(face)
    inside = sample(torch.ones(1, *template.shape[1:]), matrix, width, height)
    cover = np.asarray(cv2.erode(inside[0].numpy(), np.ones((2, 2), np.uint8)), np.float32)
    edge = isqrt(int(cover.sum())) // _EDGE_SHARE
    if edge == 0:
        return frame.copy()
    soft = _feathered(cover, edge)[:, :, None]
    levels = sample((template / 2 + 0.5) * 255, matrix, width, height).permute(1, 2, 0).numpy()
    mixed = soft * (cover[:, :, None] * levels) + (1 - soft) * frame
    return np.asarray(np.clip(mixed, 0, 255), np.uint8)


def shrink(image: Tensor) -> Tensor:
    """A square `(channels, size, size)` in the proportions of the template."""
    width, height = _template_size(image.shape[-1])
    return functional.interpolate(
        image[None].float(), (height, width), mode="bicubic", antialias=True
    )[0]


def corners(matrix: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """The corners of the template in the frame, `(4, 2)`, x then y."""
    width, height = _template_size(size)
    found = np.array(((0, 0), (width - 1, 0), (0, height - 1), (width - 1, height - 1)))
    back = inverse(matrix)
    return found @ back[:, :2].T + back[:, 2]


def inverse(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """The similarity in the other direction."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.column_stack((linear, -linear @ matrix[:, 2]))


def sample(image: Tensor, matrix: NDArray[np.float64], width: int, height: int) -> Tensor:
    """Sample an image `(channels, h, w)` where `matrix` sends each pixel of `width` x `height`.

    Bilinear, and 0 outside.
    """
    rows, columns = image.shape[1:]
    y, x = np.mgrid[:height, :width]
    source = np.einsum("ij,jyx->yxi", matrix, np.stack((x, y, np.ones_like(x))))
    grid = source * (2 / np.array((columns - 1, rows - 1))) - 1
    return functional.grid_sample(
        image[None], torch.from_numpy(grid.astype(np.float32))[None], align_corners=True
    )[0]


def _template_size(size: int) -> tuple[int, int]:
    """Width and height of the template of a square."""
    width, height = _TEMPLATE_SIZE
    return width * size // SIZE, height * size // SIZE


def _feathered(cover: NDArray[np.float32], edge: int) -> NDArray[np.float32]:
    """The opacity of a face that covers these pixels: soft over about `edge` pixels inside."""
    core = cv2.erode(cover, np.ones((2 * edge, 2 * edge), np.uint8))
    sigma = 0.3 * (edge - 1) + 0.8
    side = 2 * edge + 1
    soft = cv2.GaussianBlur(core, (side, side), sigma, borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(soft, np.float32)
