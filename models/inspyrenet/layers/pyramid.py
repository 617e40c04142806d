"""The image pyramid: a map at twice its size, to which the detail of that scale is added."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch.nn import functional

from models.inspyrenet.layers.convolution import resize

if TYPE_CHECKING:
    from torch import Tensor

SIDE: Final = 7
"""Of the Gaussian kernel, whose deviation is one pixel."""


def kernel() -> Tensor:
    """The normalized Gaussian, float64 `(7, 7)`."""
    positions = torch.arange(SIDE, dtype=torch.float64) - SIDE // 2
    weights = (-(positions**2) / 2).exp()
    weights /= weights.sum()
    return torch.outer(weights, weights)


def expand(x: Tensor) -> Tensor:
    """`(B, 1, h, w)` to `(B, 1, 2 h, 2 w)`, smoothly, at least in float32."""
    x = _wide(x)
    batch, channels, height, width = x.shape
    sparse = x.new_zeros(batch, channels, 2 * height, 2 * width)
    sparse[..., ::2, ::2] = x
    return _blurred(sparse, 4 * kernel())


def reduce(x: Tensor) -> Tensor:
    """`(B, 1, h, w)` to half its size."""
    return _blurred(_wide(x), kernel())[..., ::2, ::2]


def reconstruct(coarse: Tensor, detail: Tensor) -> Tensor:
    """The coarse map at twice its size plus the detail, at least in float32."""
    expanded = expand(coarse)
    return expanded + resize(_wide(detail), expanded.shape[-2:], corners=True)


def _wide(x: Tensor) -> Tensor:
    return x.float() if x.itemsize < 4 else x


def _blurred(x: Tensor, weights: Tensor) -> Tensor:
    padded = functional.pad(x, [SIDE // 2] * 4, mode="reflect")
    return functional.conv2d(padded, weights.to(x)[None, None])
