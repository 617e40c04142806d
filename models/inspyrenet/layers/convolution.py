"""Convolution with batch norm, the building block of everything after the backbone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import fuse_conv_bn_eval

if TYPE_CHECKING:
    from torch import Tensor


class ConvNorm(nn.Module):
    """A convolution without bias, "same" padding, batch norm, and a ReLU if `relu`.

    `(B, inputs, H, W)` to `(B, outputs, H, W)`, computed in the number format of its weights.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int | tuple[int, int],
        *,
        dilation: int = 1,
        relu: bool = False,
    ) -> None:
        super().__init__()
        height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
        self.conv = nn.Conv2d(
            inputs,
            outputs,
            (height, width),
            padding=(dilation * (height - 1) // 2, dilation * (width - 1) // 2),
            dilation=dilation,
            bias=False,
        )
        self.bn: nn.Module = nn.BatchNorm2d(outputs)
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        """Convolve, normalize, rectify."""
        x = self.bn(self.conv(x))
        return functional.relu_(x) if self.relu else x

    def fold(self) -> None:
        """Make one convolution with a bias of convolution and batch norm; evaluation mode only."""
        if isinstance(self.bn, nn.BatchNorm2d):
            self.conv = fuse_conv_bn_eval(self.conv, self.bn)
            self.bn = nn.Identity()


class AxisAttention(nn.Module):
    """Attention along one axis of a map of 64 channels, as the weights were trained.

    The network was trained with a buffer that is read again as `(channels, n)` instead of being
    permuted, `n` being the length of `axis` (2: rows, 3: columns). So both axes attend over columns
    if height and width are equal. A permutation here changes the result by 0.08.
    """

    def __init__(self, channels: int, axis: int) -> None:
        super().__init__()
        self.axis = axis
        self.query_conv = ConvNorm(channels, channels // 8, 1)
        self.key_conv = ConvNorm(channels, channels // 8, 1)
        self.value_conv = ConvNorm(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """The map plus `gamma` times what its positions attend to."""
        length = x.shape[self.axis]
        query = reread(self.query_conv(x), length)
        key = reread(self.key_conv(x), length)
        value = reread(self.value_conv(x), length)
        weights = attention_weights(query, key)
        attended = (value @ weights.transpose(1, 2)).reshape(x.shape)
        return self.gamma * attended + x


def reread(x: Tensor, length: int) -> Tensor:
    """The buffer of a `(B, C, H, W)` map in row-major order as `(B, C * H * W / length, length)`.

    This is no permutation: the numbers keep their order in memory.
    """
    return x.contiguous().view(len(x), -1, length)


def attention_weights(query: Tensor, key: Tensor) -> Tensor:
    """Softmax of the products of all positions, `(B, n, n)`; without a scale."""
    return (query.transpose(1, 2) @ key).softmax(dim=-1)


def resize(x: Tensor, size: torch.Size | tuple[int, int], *, corners: bool = False) -> Tensor:
    """A map at another size, bilinear; `corners`: with the corner pixels' centers aligned."""
    if x.shape[-2:] == torch.Size(size):
        return x
    resized: Any = functional.interpolate(x, size=size, mode="bilinear", align_corners=corners)
    return cast("Tensor", resized)
