"""The Wav2Lip generator: from a face with its lower half masked and a mel window to a new face.

Prajwal et al., "A Lip Sync Expert Is All You Need", 2020. Layer sizes and module names are those of
the published checkpoints, so that `load_state_dict(strict=True)` works.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

FACE_SIZE = 96
"""Side in pixels of the faces that the network takes and generates."""
WINDOW = 16
"""Columns of mel for one frame: 200 ms."""
BANDS = 80
"""Mel bands."""

_COARSE = 5
"""Decoder blocks up to 24 x 24 pixels."""
_FINE_BATCH = 4
"""Faces that go through the other blocks at a time on a CPU. The activations of 16 would be 38 MB a
layer: too much for the cache, and so much that the system clears new pages for each layer."""


class Block(nn.Module):
    """Convolution, batch norm, ReLU; if residual, the input is added before the ReLU."""

    def __init__(self, convolution: nn.Module, channels: int, *, residual: bool = False) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(convolution, nn.BatchNorm2d(channels))
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        """`(B, in, H, W)` to `(B, channels, H', W')`."""
        y: Tensor = self.conv_block(x)
        if self.residual:
            y.add_(x)
        return torch.relu_(y)


def conv(i: int, o: int, kernel: int, stride: int | tuple[int, int] = 1, padding: int = 0) -> Block:
    """A block without residual."""
    return Block(nn.Conv2d(i, o, kernel, stride, padding), o)


def residual(channels: int, count: int = 1) -> list[Block]:
    """Residual blocks that keep size and channels."""
    return [
        Block(nn.Conv2d(channels, channels, 3, 1, 1), channels, residual=True) for _ in range(count)
    ]


def upscale(i: int, o: int, stride: int = 2) -> Block:
    """A transposed block: twice the size, or with stride 1 from 1 to 3."""
    edge = stride - 1
    return Block(nn.ConvTranspose2d(i, o, 3, stride, edge, edge), o)


class Wav2Lip(nn.Module):
    """36,298,035 parameters. Call it in `eval()` mode and without gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.face_encoder_blocks = nn.ModuleList(
            [
                nn.Sequential(conv(6, 16, 7, 1, 3)),
                nn.Sequential(conv(16, 32, 3, 2, 1), *residual(32, 2)),
                nn.Sequential(conv(32, 64, 3, 2, 1), *residual(64, 3)),
                nn.Sequential(conv(64, 128, 3, 2, 1), *residual(128, 2)),
                nn.Sequential(conv(128, 256, 3, 2, 1), *residual(256, 2)),
                nn.Sequential(conv(256, 512, 3, 2, 1), *residual(512)),
                nn.Sequential(conv(512, 512, 3), conv(512, 512, 1)),
            ]
        )
        self.audio_encoder = nn.Sequential(
            *(conv(1, 32, 3, 1, 1), *residual(32, 2)),
            *(conv(32, 64, 3, (3, 1), 1), *residual(64, 2)),
            *(conv(64, 128, 3, 3, 1), *residual(128, 2)),
            *(conv(128, 256, 3, (3, 2), 1), *residual(256)),
            *(conv(256, 512, 3), conv(512, 512, 1)),
        )
        self.face_decoder_blocks = nn.ModuleList(
            [
                nn.Sequential(conv(512, 512, 1)),
                nn.Sequential(upscale(1024, 512, 1), *residual(512)),
                nn.Sequential(upscale(1024, 512), *residual(512, 2)),
                nn.Sequential(upscale(768, 384), *residual(384, 2)),
                nn.Sequential(upscale(512, 256), *residual(256, 2)),
                nn.Sequential(upscale(320, 128), *residual(128, 2)),
                nn.Sequential(upscale(160, 64), *residual(64, 2)),
            ]
        )
        self.output_block = nn.Sequential(conv(80, 32, 3, 1, 1), nn.Conv2d(32, 3, 1), nn.Sigmoid())

    def forward(self, mel: Tensor, face: Tensor) -> Tensor:
        """Generate faces.

        `mel` is `(B, 1, 80, 16)` in -4..4; `face` `(B, 6, 96, 96)` in 0..1, BGR: the face with its
        lower half zero, then the whole one. Returns `(B, 3, 96, 96)` in 0..1, BGR. A single face
        with many mel windows is encoded once.
        """
        skips: list[Tensor] = []
        for encoder in self.face_encoder_blocks:
            face = encoder(face)
            skips.insert(0, face)
        skips = [skip.expand(mel.shape[0], -1, -1, -1) for skip in skips]
        x: Tensor = self.audio_encoder(mel)
        for decoder, skip in zip(self.face_decoder_blocks[:_COARSE], skips, strict=False):
            x = torch.cat((decoder(x), skip), dim=1)
        size = _FINE_BATCH if x.device.type == "cpu" else x.shape[0]
        parts = zip(*(torch.split(part, size) for part in (x, *skips[_COARSE:])), strict=True)
        return torch.cat([self._fine(*part) for part in parts])

    def _fine(self, x: Tensor, *skips: Tensor) -> Tensor:
        """The last blocks, whose output is large."""
        for decoder, skip in zip(self.face_decoder_blocks[_COARSE:], skips, strict=True):
            x = torch.cat((decoder(x), skip), dim=1)
        result: Tensor = self.output_block(x)
        return result
