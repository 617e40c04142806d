"""InSPyReNet with a Swin-B backbone: which pixels of a picture belong to its foreground.

Written for the published weights; the names of its parts are those of the checkpoints. Paper:
"Revisiting Image Pyramid Structure for High Resolution Salient Object Detection", ACCV 2022.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch import nn

from models.inspyrenet.layers.attention import ScaleAttention
from models.inspyrenet.layers.context import DEPTH, Context, Decoder
from models.inspyrenet.layers.convolution import ConvNorm, resize
from models.inspyrenet.layers.pyramid import reconstruct
from models.inspyrenet.layers.swin import Backbone

if TYPE_CHECKING:
    from torch import Tensor

MULTIPLE: Final = 32
"""Height and width of an input are multiples of this."""

Logits = tuple["Tensor", "Tensor", "Tensor", "Tensor"]


class InSPyReNet(nn.Module):
    """A normalized picture to a map of its foreground.

    `base_size`, (height, width), is the size that the weights were trained at. Nothing in the
    weights depends on it, and weights with the wrong one load and give bad maps.
    """

    def __init__(self, base_size: tuple[int, int]) -> None:
        super().__init__()
        self.base_size = base_size
        self.backbone = Backbone()
        self.context1 = Context(128)
        self.context2 = Context(128)
        self.context3 = Context(256)
        self.context4 = Context(512)
        self.context5 = Context(1024)
        self.decoder = Decoder()
        self.attention2 = ScaleAttention(2 * DEPTH, self._size(2), detail=False)
        self.attention1 = ScaleAttention(2 * DEPTH, self._size(1), detail=True)
        self.attention0 = ScaleAttention(DEPTH, self._size(0), detail=True)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, 3, H, W)` to a map `(B, 1, H, W)`, stretched to 0..1 in each sample."""
        return stretched(self.logits(x)[0].sigmoid())

    def logits(self, x: Tensor) -> Logits:
        """The maps before the sigmoid at H, H/2, H/4 and H/8, float32 but the last.

        Raises `ValueError` unless H and W are multiples of 32.
        """
        size = x.shape[-2:]
        if any(side % MULTIPLE or not side for side in size):
            raise ValueError(f"height and width must be multiples of {MULTIPLE}, not {tuple(size)}")
        c1, c2, *coarse = self._contexts(x)
        f3, d3 = self.decoder(coarse)
        f2, p2 = self.attention2(_joined(c2, f3, _part(size, 4)), d3)
        d2 = reconstruct(d3, p2)
        f1, p1 = self.attention1(_joined(c1, f2, _part(size, 2)), d2.to(x.dtype), p2)
        d1 = reconstruct(d2, p1)
        _, p0 = self.attention0(resize(f1, size), d1.to(x.dtype), p1)
        return reconstruct(d1, p0), d1, d2, d3

    def fold(self) -> None:
        """Fold all batch norms into their convolutions: faster, same results."""
        for module in self.modules():
            if isinstance(module, ConvNorm):
                module.fold()

    def to_half(self) -> None:
        """Compute in float16, but what passes its range in float32.

        Those are the context sums of the attention stages and the two convolutions that they go
        through. All in float16 gives NaN at a base size of 1024. Call `fold` first, so that no
        batch norm computes in float16.
        """
        self.half()
        for stage in (self.attention2, self.attention1, self.attention0):
            stage.keep_island()

    def _size(self, stage: int) -> tuple[int, int]:
        height, width = self.base_size
        return height >> stage, width >> stage

    def _contexts(self, x: Tensor) -> list[Tensor]:
        modules = (self.context1, self.context2, self.context3, self.context4, self.context5)
        return [
            module(features) for module, features in zip(modules, self.backbone(x), strict=True)
        ]


def stretched(probability: Tensor) -> Tensor:
    """Each sample of `(B, 1, H, W)` stretched to 0..1."""
    low = probability.amin(dim=(1, 2, 3), keepdim=True)
    high = probability.amax(dim=(1, 2, 3), keepdim=True)
    return (probability - low) / (high - low + 1e-8)


def _part(size: torch.Size, divisor: int) -> tuple[int, int]:
    return size[0] // divisor, size[1] // divisor


def _joined(context: Tensor, features: Tensor, size: tuple[int, int]) -> Tensor:
    """Both at this size, on the channels."""
    return torch.cat([resize(context, size), resize(features, size)], dim=1)
