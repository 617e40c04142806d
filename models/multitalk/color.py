"""Color match of generated frames to the input picture: over many clips colors would drift."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

_XYZ_OF_RGB: Final = (
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)
"""Linear sRGB to CIE XYZ."""
_WHITE: Final = (0.95047, 1.0, 1.08883)
"""The white point D65."""
_FLAT: Final = 1e-6
"""A standard deviation below which a channel has no contrast that could be scaled."""


def match_color(video: Tensor, reference: Tensor, strength: float) -> Tensor:
    """Give each frame the mean and standard deviation of L, a and b of the reference.

    `video` is `(1, 3, frames, height, width)` RGB in -1..1, `reference` the same with one frame;
    `strength` 0 changes nothing, 1 matches fully, between them colors are blended.
    """
    if strength == 0:
        return video
    goal = _to_lab(_unit(reference)[:, :, :1])
    frames = [_matched(frame[:, :, None], goal, strength) for frame in _unit(video).unbind(2)]
    return (torch.cat(frames, dim=2) * 2 - 1).type_as(video)


def _matched(frame: Tensor, goal: Tensor, strength: float) -> Tensor:
    """One frame at a time: whole clips in three color spaces would take gigabytes."""
    lab = _to_lab(frame)
    (mean, spread), (goal_mean, goal_spread) = _statistics(lab), _statistics(goal)
    scaled = (lab - mean) / spread.clamp_min(_FLAT) * goal_spread
    return torch.lerp(frame, _to_rgb(scaled + goal_mean), strength)


def _unit(video: Tensor) -> Tensor:
    return (video.float() + 1) / 2


def _statistics(lab: Tensor) -> tuple[Tensor, Tensor]:
    spread, mean = torch.std_mean(lab, dim=(2, 3, 4), keepdim=True, correction=0)
    return mean, spread


def _to_lab(rgb: Tensor) -> Tensor:
    """RGB `(1, 3, n, height, width)` in 0..1 to CIE L*a*b*."""
    curved = ((rgb.clamp_min(0.04045) + 0.055) / 1.055) ** 2.4
    linear = torch.where(rgb > 0.04045, curved, rgb / 12.92)
    xyz = _mixed(linear, torch.tensor(_XYZ_OF_RGB)) / _white(rgb)
    root = torch.where(
        xyz > 0.008856, xyz.clamp_min(0.008856) ** (1 / 3), 7.787 * xyz + 16 / 116
    ).unbind(1)
    return torch.stack(
        [116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])], dim=1
    )


def _to_rgb(lab: Tensor) -> Tensor:
    """CIE L*a*b* to RGB in 0..1, clipped."""
    light, a, b = lab.unbind(1)
    y = (light + 16) / 116
    root = torch.stack([a / 500 + y, y, (y - b / 200).clamp_min(0)], dim=1)
    xyz = torch.where(root > 0.2068966, root**3, (root - 16 / 116) / 7.787) * _white(lab)
    linear = _mixed(xyz, torch.linalg.inv(torch.tensor(_XYZ_OF_RGB, dtype=torch.float64)))
    curved = 1.055 * linear.clamp_min(0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(linear > 0.0031308, curved, linear * 12.92).clamp(0, 1)


def _mixed(channels: Tensor, matrix: Tensor) -> Tensor:
    return torch.einsum("ij,bjnhw->binhw", matrix.to(channels.device, channels.dtype), channels)


def _white(like: Tensor) -> Tensor:
    return torch.tensor(_WHITE, device=like.device).view(1, 3, 1, 1, 1)
