"""Attention stages: each adds detail to the map, where the coarser map is uncertain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from models.inspyrenet.layers.context import DEPTH
from models.inspyrenet.layers.convolution import ConvNorm, resize

if TYPE_CHECKING:
    from torch import Tensor

    Size = tuple[int, int]


class ScaleAttention(nn.Module):
    """Features and a coarser logit map to better features and to the detail that the map lacks.

    `size` is the one that the network was trained at, whatever the size of the picture. With
    `detail`, the detail of the stage before is an input, too.
    """

    def __init__(self, inputs: int, size: Size, *, detail: bool) -> None:
        super().__init__()
        self.size = size
        self.threshold = nn.Parameter(torch.full((1,), 0.5))
        self.lthreshold = nn.Parameter(torch.full((1,), 0.5)) if detail else None
        self.conv_query = _pair(inputs, 3)
        self.conv_key = _pair(inputs, 1)
        self.conv_value = _pair(inputs, 1)
        self.conv_out1 = ConvNorm(DEPTH, DEPTH, 3, relu=True)
        self.conv_out2 = ConvNorm(inputs + DEPTH, DEPTH, 3, relu=True)
        self.conv_out3 = ConvNorm(DEPTH, DEPTH, 3, relu=True)
        self.conv_out4 = ConvNorm(DEPTH, 1, 1)

    def forward(
        self, x: Tensor, logits: Tensor, detail: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """`(B, C, h, w)` and `(B, 1, h', w')` to features `(B, 64, h, w)` and detail
        `(B, 1, h, w)`.
        """
        attended = self._attend(x, self._maps(x, logits, detail))
        features = self.conv_out3(self.conv_out2(torch.cat([x, attended], dim=1)))
        return features, self.conv_out4(features)

    def keep_island(self) -> None:
        """Let the context sums, and what they go through first, be in float32."""
        self.conv_key[0].float()
        self.conv_value[0].float()

    def _maps(self, x: Tensor, logits: Tensor, detail: Tensor | None) -> Tensor:
        """Foreground, background and edge, and without its edge the detail: `(B, 3 or 5, h, w)`."""
        maps = uncertainty(resize(logits, x.shape[-2:]), self.threshold)
        if detail is not None and self.lthreshold is not None:
            maps += uncertainty(resize(detail, x.shape[-2:]), self.lthreshold)[:2]
        return torch.cat(maps, dim=1)

    def _attend(self, x: Tensor, maps: Tensor) -> Tensor:
        """What each pixel takes from the few contexts: `(B, 64, h, w)`."""
        island = _dtype(self.conv_key[0])
        context = context_sums(x.to(island), maps.to(island), self.size)
        key = _through(self.conv_key, context)
        value = _through(self.conv_value, context)
        query = self.conv_query(x).flatten(2)
        weights = (key.transpose(1, 2) @ query * DEPTH**-0.5).softmax(dim=1)
        attended: Tensor = self.conv_out1((value @ weights).view(len(x), DEPTH, *x.shape[-2:]))
        return attended


def uncertainty(logits: Tensor, threshold: Tensor) -> list[Tensor]:
    """How far the map is above the threshold, how far below it, and how near to it."""
    excess = logits.sigmoid() - threshold
    return [excess.clamp(0, 1), (-excess).clamp(0, 1), threshold - excess.abs()]


def context_sums(x: Tensor, maps: Tensor, size: tuple[int, int]) -> Tensor:
    """The features summed over each map, at `size`: `(B, C, n, 1)`.

    Sums, not means: at 1024 x 1024 they pass 65,504, the largest number of float16, so the caller
    computes them in float32. As in training, the features are read again as `(positions, C)`
    without a permutation.
    """
    features = resize(x, size).contiguous()
    weights = resize(maps, size).flatten(2)
    sums = weights @ features.view(len(x), -1, x.shape[1])
    return sums.transpose(1, 2).unsqueeze(-1)


def _pair(inputs: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(
        ConvNorm(inputs, DEPTH, kernel, relu=True), ConvNorm(DEPTH, DEPTH, kernel, relu=True)
    )


def _through(pair: nn.Sequential, context: Tensor) -> Tensor:
    """`(B, C, n, 1)` to `(B, 64, n)`; the second convolution may be in half precision."""
    first, second = pair
    narrow: Tensor = second(first(context).to(_dtype(second)))
    return narrow.squeeze(-1)


def _dtype(module: nn.Module) -> torch.dtype:
    return next(module.parameters()).dtype
