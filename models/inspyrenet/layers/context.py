"""Context modules and decoder: five feature maps become one coarse map of the foreground."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch import nn
from torch.nn import functional

from models.inspyrenet.layers.convolution import AxisAttention, ConvNorm, resize

if TYPE_CHECKING:
    from torch import Tensor

DEPTH: Final = 64
"""Channels of everything after the backbone."""

ROWS: Final = 2
COLUMNS: Final = 3


class Context(nn.Module):
    """`(B, inputs, h, w)` to 64 channels, from receptive fields of 1, 3, 5 and 7."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.branch0 = ConvNorm(inputs, DEPTH, 1)
        self.branch1 = Branch(inputs, 3)
        self.branch2 = Branch(inputs, 5)
        self.branch3 = Branch(inputs, 7)
        self.conv_cat = ConvNorm(4 * DEPTH, DEPTH, 3)
        self.conv_res = ConvNorm(inputs, DEPTH, 1)

    def forward(self, x: Tensor) -> Tensor:
        """All branches merged, plus the input itself."""
        branches = [self.branch0(x), self.branch1(x), self.branch2(x), self.branch3(x)]
        merged = self.conv_cat(torch.cat(branches, dim=1))
        return functional.relu_(merged + self.conv_res(x))


class Branch(nn.Module):
    """A cross of two convolutions of `field`, axis attention, and a dilated convolution."""

    def __init__(self, inputs: int, field: int) -> None:
        super().__init__()
        self.conv0 = ConvNorm(inputs, DEPTH, 1)
        self.conv1 = ConvNorm(DEPTH, DEPTH, (1, field))
        self.conv2 = ConvNorm(DEPTH, DEPTH, (field, 1))
        self.Hattn = AxisAttention(DEPTH, ROWS)
        self.Wattn = AxisAttention(DEPTH, COLUMNS)
        self.conv3 = ConvNorm(DEPTH, DEPTH, 3, dilation=field)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, inputs, h, w)` to `(B, 64, h, w)`."""
        x = self.conv2(self.conv1(self.conv0(x)))
        widened: Tensor = self.conv3(self.Hattn(x) + self.Wattn(x))
        return widened


class Decoder(nn.Module):
    """The three coarsest contexts to features and a logit map, both at H/8."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = ConvNorm(3 * DEPTH, DEPTH, 3)
        self.Hattn = AxisAttention(DEPTH, ROWS)
        self.Wattn = AxisAttention(DEPTH, COLUMNS)
        self.conv2 = ConvNorm(DEPTH, DEPTH, 3)
        self.conv3 = ConvNorm(DEPTH, DEPTH, 3)
        self.conv4 = ConvNorm(DEPTH, DEPTH, 3)
        self.conv5 = LogitConvolution()

    def forward(self, contexts: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Of the contexts at H/8, H/16 and H/32: features `(B, 64, h, w)`, map `(B, 1, h, w)`."""
        size = contexts[0].shape[-2:]
        coarse_first = [resize(context, size, corners=True) for context in reversed(contexts)]
        x = self.conv1(torch.cat(coarse_first, dim=1))
        x = self.Hattn(x) + self.Wattn(x)
        features = self.conv4(self.conv3(self.conv2(x)))
        return features, self.conv5(features)


class LogitConvolution(nn.Module):
    """A plain 3 x 3 convolution to one channel, without batch norm and bias."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(DEPTH, 1, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, 64, h, w)` to `(B, 1, h, w)`."""
        logits: Tensor = self.conv(x)
        return logits
