"""Boxes from the output maps of S3FD: anchors, scores and non-maximum suppression."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from models.faces.detection.s3fd import STRIDES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from models.arrays import Vector

_MIN_CANDIDATE_SCORE = 0.05
_MIN_SCORE = 0.5
_MAX_IOU = 0.3
_ANCHOR = 4
"""Side of an anchor in strides."""
_CENTER_VARIANCE, _SIZE_VARIANCE = 0.1, 0.2
"""The factors by which offsets and sizes were scaled in training ("variances" of SSD)."""
_MAX_CANDIDATES = 5000


def faces(maps: Sequence[Tensor]) -> Vector:
    """The faces of one image, highest score first: rows of x1, y1, x2, y2, score, in its pixels.

    `maps` are the twelve of `S3FD.forward` for a batch of one.
    """
    rows = torch.cat(
        [
            decode(classes[0], shifts[0], stride)
            for classes, shifts, stride in zip(maps[::2], maps[1::2], STRIDES, strict=True)
        ]
    )
    found = rows[rows[:, 4].argsort(descending=True)[:_MAX_CANDIDATES]].double().cpu().numpy()
    kept: Vector = found[nms(found[:, :4], found[:, 4], _MAX_IOU)]
    return kept[kept[:, 4] > _MIN_SCORE]


def decode(classes: Tensor, shifts: Tensor, stride: int) -> Tensor:
    """Decode the candidates of one anchor size.

    `classes` `(2, h, w)` and `shifts` `(4, h, w)` become rows of x1, y1, x2, y2, score.
    """
    score = classes.float().softmax(dim=0)[1]
    y, x = torch.nonzero(score > _MIN_CANDIDATE_SCORE, as_tuple=True)
    dx, dy, dw, dh = shifts.float()[:, y, x]
    side = _ANCHOR * stride
    center_x = stride / 2 + x * stride + dx * _CENTER_VARIANCE * side
    center_y = stride / 2 + y * stride + dy * _CENTER_VARIANCE * side
    half_w, half_h = (side / 2 * (growth * _SIZE_VARIANCE).exp() for growth in (dw, dh))
    corners = center_x - half_w, center_y - half_h, center_x + half_w, center_y + half_h
    return torch.stack((*corners, score[y, x]), dim=1)


def nms(boxes: Vector, scores: Vector, threshold: float) -> list[int]:
    """Non-maximum suppression: the indices of the boxes to keep, highest score first.

    `boxes` are rows of x1, y1, x2, y2. As in the authors' code both edges belong to the box: a side
    is one pixel longer than the difference.
    """
    left, top, right, bottom = boxes.T
    areas = (right - left + 1) * (bottom - top + 1)
    order = np.argsort(-scores, kind="stable")
    kept = []
    while order.size:
        best, rest = order[0], order[1:]
        kept.append(int(best))
        wide = np.minimum(right[best], right[rest]) - np.maximum(left[best], left[rest]) + 1
        high = np.minimum(bottom[best], bottom[rest]) - np.maximum(top[best], top[rest]) + 1
        shared = np.maximum(0, wide) * np.maximum(0, high)
        order = rest[shared / (areas[best] + areas[rest] - shared) <= threshold]
    return kept
