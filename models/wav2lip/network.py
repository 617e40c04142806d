"""The Wav2Lip generator: a face with its lower half hidden, a window of mel, the face that speaks.

Prajwal et al., "A Lip Sync Expert Is All You Need", 2020. The names of the parts are those of the
published checkpoints, so that `load_state_dict(strict=True)` holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

EDGE = 96
"""Side in pixels of the faces that the network sees and makes."""
WINDOW = 16
"""Columns of mel that one frame hears: 200 ms."""
BANDS = 80
"""Mel bands."""


class Block(nn.Module):
    """Convolution, batch norm, ReLU; with a residual, the input is added before the ReLU."""

    def __init__(self, convolution: nn.Module, channels: int, *, residual: bool = False) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(convolution, nn.BatchNorm2d(channels))
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        """`(B, in, H, W)` to `(B, channels, H', W')`."""
        y: Tensor = self.conv_block(x)
        if self.residual:
            y = y + x
        return torch.relu(y)


def conv(i: int, o: int, kernel: int, stride: int | tuple[int, int] = 1, padding: int = 0) -> Block:
    """A plain block."""
    return Block(nn.Conv2d(i, o, kernel, stride, padding), o)


def same(channels: int, count: int = 1) -> list[Block]:
    """Residual blocks that keep size and channels."""
    return [
        Block(nn.Conv2d(channels, channels, 3, 1, 1), channels, residual=True) for _ in range(count)
    ]


def grow(i: int, o: int, stride: int = 2) -> Block:
    """A transposed block: twice the size, or from 1 to 3."""
    edge = stride - 1
    return Block(nn.ConvTranspose2d(i, o, 3, stride, edge, edge), o)


class Wav2Lip(nn.Module):
    """36,298,035 parameters. Call it in `eval()` and without gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.face_encoder_blocks = nn.ModuleList(
            [
                nn.Sequential(conv(6, 16, 7, 1, 3)),
                nn.Sequential(conv(16, 32, 3, 2, 1), *same(32, 2)),
                nn.Sequential(conv(32, 64, 3, 2, 1), *same(64, 3)),
                nn.Sequential(conv(64, 128, 3, 2, 1), *same(128, 2)),
                nn.Sequential(conv(128, 256, 3, 2, 1), *same(256, 2)),
                nn.Sequential(conv(256, 512, 3, 2, 1), *same(512)),
                nn.Sequential(conv(512, 512, 3), conv(512, 512, 1)),
            ]
        )
        self.audio_encoder = nn.Sequential(
            *(conv(1, 32, 3, 1, 1), *same(32, 2)),
            *(conv(32, 64, 3, (3, 1), 1), *same(64, 2)),
            *(conv(64, 128, 3, 3, 1), *same(128, 2)),
            *(conv(128, 256, 3, (3, 2), 1), *same(256)),
            *(conv(256, 512, 3), conv(512, 512, 1)),
        )
        self.face_decoder_blocks = nn.ModuleList(
            [
                nn.Sequential(conv(512, 512, 1)),
                nn.Sequential(grow(1024, 512, 1), *same(512)),
                nn.Sequential(grow(1024, 512), *same(512, 2)),
                nn.Sequential(grow(768, 384), *same(384, 2)),
                nn.Sequential(grow(512, 256), *same(256, 2)),
                nn.Sequential(grow(320, 128), *same(128, 2)),
                nn.Sequential(grow(160, 64), *same(64, 2)),
            ]
        )
        self.output_block = nn.Sequential(conv(80, 32, 3, 1, 1), nn.Conv2d(32, 3, 1), nn.Sigmoid())

    def forward(self, mel: Tensor, face: Tensor) -> Tensor:
        """Make the mouths.

        `mel` `(B, 1, 80, 16)` in -4..4; `face` `(B, 6, 96, 96)` in 0..1, BGR: first with the lower
        half zero, then whole. Returns `(B, 3, 96, 96)` in 0..1, BGR.
        """
        skips = []
        for encoder in self.face_encoder_blocks:
            face = encoder(face)
            skips.append(face)
        made: Tensor = self.audio_encoder(mel)
        for decoder in self.face_decoder_blocks:
            made = torch.cat((decoder(made), skips.pop()), dim=1)
        result: Tensor = self.output_block(made)
        return result
