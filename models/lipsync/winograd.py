"""3 x 3 convolutions on a CPU with fewer multiplications (Winograd's minimal filtering).

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016: a tile of 4 x 4 outputs
takes 36 multiplications per pair of channels instead of 144, one of 2 x 2 takes 16 instead of 36.
Results differ from the direct sum only by rounding, about 5e-6 of the largest value.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

MIN_CHANNELS: Final = 128
"""With fewer channels, transforming the tiles costs more than the multiplications saved."""
_CHUNK_BYTES: Final = 8 << 20
"""Of the transformed tiles that are computed at a time, so that they stay in the cache."""
_KERNELS: Final = {
    2: ((1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1)),
    4: (
        *((1 / 4, 0, 0), (-1 / 6, -1 / 6, -1 / 6), (-1 / 6, 1 / 6, -1 / 6)),
        *((1 / 24, 1 / 12, 1 / 6), (1 / 24, -1 / 12, 1 / 6), (0, 0, 1)),
    ),
}
"""The kernel transform for tiles of 2 and 4 outputs (matrix G in the paper)."""


class Scratch(threading.local):
    """Buffers that the layers of a network share, because in a thread only one runs at a time.

    New memory for each call would cost more than the arithmetic: the system zeroes every page.
    """

    def __init__(self) -> None:
        self._buffers: dict[str, Tensor] = {}

    def __call__(self, name: str, *shape: int) -> Tensor:
        """A buffer of this shape; its values are arbitrary."""
        size = torch.Size(shape).numel()
        buffer = self._buffers.get(name)
        if buffer is None or buffer.numel() < size:
            buffer = self._buffers[name] = torch.empty(size)
        return buffer[:size].view(shape)


class WinogradConv(nn.Module):
    """A convolution of 3 x 3, stride 1 and padding 1, in float32 on a CPU, for inference only."""

    def __init__(self, convolution: nn.Conv2d, scratch: Scratch) -> None:
        super().__init__()
        self._weight = convolution.weight
        self._bias = convolution.bias
        self._scratch = scratch
        self._kernels: dict[int, Tensor] = {}

    @staticmethod
    def replaces(layer: nn.Module) -> bool:
        """Whether this layer can be replaced and gets faster."""
        return (
            isinstance(layer, nn.Conv2d)
            and layer.kernel_size == (3, 3)
            and layer.stride == layer.padding == layer.dilation == (1, 1)
            and (layer.groups, layer.padding_mode) == (1, "zeros")
            and layer.in_channels >= MIN_CHANNELS
        )

    def forward(self, x: Tensor) -> Tensor:
        """`(B, in, H, W)` to `(B, out, H, W)`, both channels-last."""
        images = x.permute(0, 2, 3, 1)
        height, width = images.shape[1:3]
        if height % 2 or width % 2:
            return functional.conv2d(x, self._weight, self._bias, padding=1)
        tile = 2 if height % 4 or width % 4 else 4
        kernel = self._kernel(tile)
        out = images.new_empty(*images.shape[:3], kernel.shape[2])
        tiles = height // tile * width // tile
        chunk = max(1, _CHUNK_BYTES // (4 * len(kernel) * tiles * max(kernel.shape[1:])))
        parts = zip(torch.split(images, chunk), torch.split(out, chunk), strict=True)
        for part, target in parts:
            self._convolve(part, kernel, tile, target)
        if self._bias is not None:
            out.add_(self._bias)
        return out.permute(0, 3, 1, 2)

    def _kernel(self, tile: int) -> Tensor:
        """The transformed weights `((tile + 2)^2, in, out)`."""
        if tile not in self._kernels:
            g = torch.tensor(_KERNELS[tile])
            rows = self._weight.permute(2, 3, 1, 0).flatten(2).flatten(0, 1)
            values = torch.kron(g, g) @ rows
            self._kernels[tile] = values.view(-1, *self._weight.shape[1::-1])
        return self._kernels[tile]

    def _convolve(self, images: Tensor, kernel: Tensor, tile: int, out: Tensor) -> None:
        count, height, width, channels = images.shape
        side = tile + 2
        grid = count, height // tile, width // tile
        padded = self._scratch("padded", count, height + 2, width + 2, channels)
        _pad(images, padded)
        rows = self._scratch("rows", side, count, grid[1], width + 2, channels)
        _TRANSFORM[tile](_strides(padded, 1, tile), rows.unbind(0))
        tiles = self._scratch("tiles", side, side, *grid, channels)
        _TRANSFORM[tile](_strides(rows, 3, tile), tiles.unbind(1))
        products = self._scratch("products", side, side, *grid, kernel.shape[2])
        torch.bmm(
            tiles.view(side * side, -1, channels),
            kernel,
            out=products.view(side * side, -1, kernel.shape[2]),
        )
        columns = self._scratch("rows", tile, side, *grid, kernel.shape[2])
        _COLLECT[tile](products.unbind(0), columns.unbind(0))
        target = out.view(count, grid[1], tile, grid[2], tile, -1).permute(2, 4, 0, 1, 3, 5)
        _COLLECT[tile](columns.unbind(1), target.unbind(1))


def _pad(images: Tensor, padded: Tensor) -> None:
    padded[:, 1:-1, 1:-1] = images
    for edge in (padded[:, 0], padded[:, -1], padded[:, :, 0], padded[:, :, -1]):
        edge.zero_()


def _strides(x: Tensor, dimension: int, tile: int) -> list[Tensor]:
    """Of overlapping tiles along a dimension all first values, all second ones and so on."""
    count = (x.shape[dimension] - 2) // tile
    stop = (count - 1) * tile + 1
    return [
        x[(slice(None),) * dimension + (slice(start, start + stop, tile),)]
        for start in range(tile + 2)
    ]


def _transform_2(d: Sequence[Tensor], v: Sequence[Tensor]) -> None:
    torch.sub(d[0], d[2], out=v[0])
    torch.add(d[1], d[2], out=v[1])
    torch.sub(d[2], d[1], out=v[2])
    torch.sub(d[1], d[3], out=v[3])


def _transform_4(d: Sequence[Tensor], v: Sequence[Tensor]) -> None:
    even, odd = v[0], v[5]
    torch.sub(d[4], d[2], alpha=4, out=even)
    torch.sub(d[3], d[1], alpha=4, out=odd)
    torch.add(even, odd, out=v[1])
    torch.sub(even, odd, out=v[2])
    torch.sub(d[4], d[2], out=even)
    torch.sub(d[3], d[1], out=odd)
    torch.add(even, odd, alpha=2, out=v[3])
    torch.sub(even, odd, alpha=2, out=v[4])
    v[0].add_(d[0], alpha=4).sub_(d[2], alpha=4)
    torch.sub(d[5], odd, alpha=4, out=v[5])
    v[5].sub_(d[3])


def _collect_2(m: Sequence[Tensor], y: Sequence[Tensor]) -> None:
    torch.add(m[0], m[1], out=y[0])
    y[0].add_(m[2])
    torch.sub(m[1], m[2], out=y[1])
    y[1].sub_(m[3])


def _collect_4(m: Sequence[Tensor], y: Sequence[Tensor]) -> None:
    """Overwrites some of `m`."""
    torch.sub(m[1], m[2], out=y[1])
    torch.sub(m[3], m[4], out=y[3])
    m[1].add_(m[2])
    m[3].add_(m[4])
    torch.add(m[0], m[1], out=y[0])
    y[0].add_(m[3])
    torch.add(m[1], m[3], alpha=4, out=y[2])
    m[5].add_(y[1])
    y[1].add_(y[3], alpha=2)
    torch.add(m[5], y[3], alpha=8, out=y[3])


_TRANSFORM: Final = {2: _transform_2, 4: _transform_4}
"""Tiles along one dimension to the values that are multiplied (matrix B of the paper)."""
_COLLECT: Final = {2: _collect_2, 4: _collect_4}
"""Products along one dimension to outputs (matrix A of the paper)."""


def replace_convolutions(network: nn.Module) -> None:
    """Replace every convolution of a network that gets faster."""
    scratch = Scratch()
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Conv2d) and WinogradConv.replaces(child):
                setattr(module, name, WinogradConv(child, scratch))
