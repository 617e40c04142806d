"""From the maps of S3FD to boxes: anchors, scores, and the best of those that overlap."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from models.faces.detection.s3fd import STRIDES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from models.faces.tracking.one_euro import Vector

CANDIDATE = 0.05
SURE = 0.5
OVERLAP = 0.3
ANCHOR = 4
"""Side of an anchor in strides."""
SHIFT, GROWTH = 0.1, 0.2
"""The variances by which the maps were divided in training."""
MOST = 5000


def faces(maps: Sequence[Tensor]) -> Vector:
    """The faces of one picture, surest first: rows of x1, y1, x2, y2, score, in its pixels.

    `maps` are the twelve of `S3FD.forward` for a batch of one.
    """
    rows = torch.cat(
        [
            decoded(classes[0], shifts[0], stride)
            for classes, shifts, stride in zip(maps[::2], maps[1::2], STRIDES, strict=True)
        ]
    )
    found = rows[rows[:, 4].argsort(descending=True)[:MOST]].double().cpu().numpy()
    kept: Vector = found[nms(found[:, :4], found[:, 4], OVERLAP)]
    return kept[kept[:, 4] > SURE]


def decoded(classes: Tensor, shifts: Tensor, stride: int) -> Tensor:
    """The candidates of one size: `(2, h, w)` and `(4, h, w)` to rows of x1, y1, x2, y2, score."""
    score = classes.float().softmax(dim=0)[1]
    y, x = torch.nonzero(score > CANDIDATE, as_tuple=True)
    dx, dy, dw, dh = shifts.float()[:, y, x]
    side = ANCHOR * stride
    center_x = stride / 2 + x * stride + dx * SHIFT * side
    center_y = stride / 2 + y * stride + dy * SHIFT * side
    half_w, half_h = (side / 2 * (growth * GROWTH).exp() for growth in (dw, dh))
    corners = center_x - half_w, center_y - half_h, center_x + half_w, center_y + half_h
    return torch.stack((*corners, score[y, x]), dim=1)


def nms(boxes: Vector, scores: Vector, threshold: float) -> list[int]:
    """The places of boxes (rows of x1, y1, x2, y2) that no surer one covers, surest first.

    Sides are counted in whole pixels, both ends included: one more than the difference.
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
