"""Swin-B with windows of 12 x 12: the backbone, with outputs at four scales."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

WINDOW: Final = 12
SHIFT: Final = WINDOW // 2
PATCH: Final = 4
DIMENSION: Final = 128
DEPTHS: Final = (2, 2, 18, 2)
HEADS: Final = (4, 8, 16, 32)
MASKED: Final = -100.0
"""Added to the attention between regions that are neighbors only because of the shift. Finite, as
in training: such a region keeps a trace of the other."""

Size = tuple[int, int]


class Backbone(nn.Module):
    """`(B, 3, H, W)` to five feature maps `(B, C, h, w)`.

    The embedded patches (128 channels at H/4), then the four stages, each through a norm of its
    own: 128 at H/4, 256 at H/8, 512 at H/16, 1024 at H/32.
    """

    norm0: nn.LayerNorm
    norm1: nn.LayerNorm
    norm2: nn.LayerNorm
    norm3: nn.LayerNorm

    def __init__(self) -> None:
        super().__init__()
        self.patch_embed = PatchEmbedding()
        self.layers = nn.ModuleList()
        for stage, (depth, heads) in enumerate(zip(DEPTHS, HEADS, strict=True)):
            dimension = DIMENSION << stage
            last = stage == len(DEPTHS) - 1
            self.layers.append(Stage(dimension, depth, heads, downsample=not last))
            self.add_module(f"norm{stage}", nn.LayerNorm(dimension))

    def forward(self, x: Tensor) -> list[Tensor]:
        """All outputs, the largest first. Only the outputs are normalized, not the next input."""
        tokens = self.patch_embed(x)
        outputs = [tokens]
        norms = (self.norm0, self.norm1, self.norm2, self.norm3)
        for stage, norm in zip(self.layers, norms, strict=True):
            features, tokens = stage(tokens)
            outputs.append(norm(features))
        return [output.permute(0, 3, 1, 2).contiguous() for output in outputs]


class PatchEmbedding(nn.Module):
    """Patches of 4 x 4 pixels as normed vectors: `(B, 3, H, W)` to `(B, H/4, W/4, 128)`."""

    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, DIMENSION, PATCH, stride=PATCH)
        self.norm = nn.LayerNorm(DIMENSION)

    def forward(self, x: Tensor) -> Tensor:
        """Embed, then norm."""
        embedded: Tensor = self.norm(self.proj(x).permute(0, 2, 3, 1))
        return embedded


class Stage(nn.Module):
    """Blocks of one scale; every second one has shifted windows."""

    def __init__(self, dimension: int, depth: int, heads: int, *, downsample: bool) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            Block(dimension, heads, shift=SHIFT if number % 2 else 0) for number in range(depth)
        )
        self.downsample = Downsample(dimension) if downsample else None

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The features `(B, h, w, C)`, and the same at half the size for the next stage."""
        mask = shift_mask(padded_size(x), x.device, x.dtype)
        for block in self.blocks:
            x = block(x, mask)
        return x, x if self.downsample is None else self.downsample(x)


class Block(nn.Module):
    """Attention in windows, then an MLP, each after a norm and added to what came in."""

    def __init__(self, dimension: int, heads: int, *, shift: int) -> None:
        super().__init__()
        self.shift = shift
        self.norm1 = nn.LayerNorm(dimension)
        self.attn = WindowAttention(dimension, heads)
        self.norm2 = nn.LayerNorm(dimension)
        self.mlp = Mlp(dimension)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """`(B, h, w, C)` to the same shape; `mask` is for shifted windows."""
        x = x + self._attend(self.norm1(x), mask)
        added: Tensor = x + self.mlp(self.norm2(x))
        return added

    def _attend(self, x: Tensor, mask: Tensor) -> Tensor:
        height, width = x.shape[1:3]
        padded = pad_to_windows(x)
        size = padded_size(x)
        if self.shift:
            padded = padded.roll((-self.shift, -self.shift), dims=(1, 2))
        attended = self.attn(to_windows(padded), mask if self.shift else None)
        merged = from_windows(attended, size)
        if self.shift:
            merged = merged.roll((self.shift, self.shift), dims=(1, 2))
        return merged[:, :height, :width]


class WindowAttention(nn.Module):
    """Multi-head attention of the 144 tokens of a window, with a bias by relative position."""

    relative_position_index: Tensor

    def __init__(self, dimension: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dimension, 3 * dimension)
        self.proj = nn.Linear(dimension, dimension)
        offsets = (2 * WINDOW - 1) ** 2
        self.relative_position_bias_table = nn.Parameter(torch.zeros(offsets, heads))
        self.register_buffer("relative_position_index", relative_position_index())

    def forward(self, windows: Tensor, mask: Tensor | None) -> Tensor:
        """`(B, n, 144, C)` to the same shape; `mask` `(n, 144, 144)` is added to the logits."""
        batch, count, tokens, _ = windows.shape
        heads = self.qkv(windows).view(batch, count, tokens, 3, self.heads, -1)
        query, key, value = heads.permute(3, 0, 1, 4, 2, 5)
        bias = self._bias()
        if mask is not None:
            bias = bias + mask[:, None]
        # Sample by sample, because the fused kernels take no mask that repeats over the batch.
        attended = torch.stack(
            [
                functional.scaled_dot_product_attention(*sample, attn_mask=bias)
                for sample in zip(query, key, value, strict=True)
            ]
        )
        projected: Tensor = self.proj(attended.transpose(2, 3).reshape(windows.shape))
        return projected

    def _bias(self) -> Tensor:
        """The bias of token i against token j, `(1, heads, 144, 144)`."""
        index = self.relative_position_index
        return self.relative_position_bias_table[index].permute(2, 0, 1)[None].contiguous()


class Mlp(nn.Module):
    """Two linear layers with an exact GELU (by the error function) between them."""

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dimension, 4 * dimension)
        self.fc2 = nn.Linear(4 * dimension, dimension)

    def forward(self, x: Tensor) -> Tensor:
        """Widen four times, then back."""
        narrow: Tensor = self.fc2(functional.gelu(self.fc1(x)))
        return narrow


class Downsample(nn.Module):
    """Four neighbors become one token with twice the channels."""

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * dimension)
        self.reduction = nn.Linear(4 * dimension, 2 * dimension, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, h, w, C)` to `(B, h/2, w/2, 2 C)`; an odd side is padded with zeros."""
        height, width = x.shape[1:3]
        x = functional.pad(x, (0, 0, 0, width % 2, 0, height % 2))
        reduced: Tensor = self.reduction(self.norm(neighbors(x)))
        return reduced


def neighbors(x: Tensor) -> Tensor:
    """The 2 x 2 tokens of each square on the channels, column by column."""
    return torch.cat([x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)], dim=-1)


def relative_position_index() -> Tensor:
    """The row of the bias table for token i against token j, int64 `(144, 144)`."""
    rows, columns = torch.meshgrid(torch.arange(WINDOW), torch.arange(WINDOW), indexing="ij")
    row, column = rows.flatten(), columns.flatten()
    down = row[:, None] - row + WINDOW - 1
    right = column[:, None] - column + WINDOW - 1
    return down * (2 * WINDOW - 1) + right


def padded_size(x: Tensor) -> Size:
    """Height and width of `(B, h, w, C)`, rounded up to whole windows."""
    height, width = x.shape[1:3]
    return height + -height % WINDOW, width + -width % WINDOW


def pad_to_windows(x: Tensor) -> Tensor:
    """The map with zeros at right and bottom up to whole windows. They are not masked."""
    height, width = x.shape[1:3]
    return functional.pad(x, (0, 0, 0, -width % WINDOW, 0, -height % WINDOW))


def to_windows(x: Tensor) -> Tensor:
    """`(B, h, w, C)` to `(B, n, 144, C)`, row by row of windows."""
    batch, height, width, channels = x.shape
    x = x.view(batch, height // WINDOW, WINDOW, width // WINDOW, WINDOW, channels)
    return x.transpose(2, 3).reshape(batch, -1, WINDOW * WINDOW, channels)


def from_windows(windows: Tensor, size: Size) -> Tensor:
    """`(B, n, 144, C)` back to `(B, h, w, C)`."""
    batch, _, _, channels = windows.shape
    rows, columns = size[0] // WINDOW, size[1] // WINDOW
    windows = windows.view(batch, rows, columns, WINDOW, WINDOW, channels)
    return windows.transpose(2, 3).reshape(batch, *size, channels)


def shift_mask(size: Size, device: torch.device, dtype: torch.dtype) -> Tensor:
    """`MASKED` between tokens of different regions of a shifted map, else 0: `(n, 144, 144)`."""
    regions = torch.zeros(1, *size, 1, device=device)
    cuts = (slice(-WINDOW), slice(-WINDOW, -SHIFT), slice(-SHIFT, None))
    for number, (rows, columns) in enumerate((rows, columns) for rows in cuts for columns in cuts):
        regions[:, rows, columns] = number
    region = to_windows(regions)[0, :, :, 0]
    different = region[:, None, :] != region[:, :, None]
    return different.to(dtype) * MASKED
