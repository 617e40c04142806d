"""The S3FD network: a VGG-16 that detects faces of six sizes on six of its layers.

Zhang et al., "S3FD: Single Shot Scale-invariant Face Detector", 2017. Layer sizes and names are
those of the published weights `s3fd-619a316812.pth` (face-alignment).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

STRIDES: Final = (4, 8, 16, 32, 64, 128)
"""Pixels of the input between two neighbors in each of the six maps."""
_GROUPS = ((1, 2, 3, 64), (2, 2, 64, 128), (3, 3, 128, 256), (4, 3, 256, 512), (5, 3, 512, 512))
"""The convolutions of VGG-16: number of the group, layers, input and output channels."""
_HEADS = {
    "conv3_3_norm": 256,
    "conv4_3_norm": 512,
    "conv5_3_norm": 512,
    "fc7": 1024,
    "conv6_2": 512,
    "conv7_2": 256,
}
"""The layers with a detection head, and their channels."""
_NORMS = {"conv3_3": 10.0, "conv4_3": 8.0, "conv5_3": 5.0}
"""The layers whose output is normalized, and the initial scale (section 3.1 of the paper)."""


class L2Norm(nn.Module):
    """Scales the channels at each position to length 1, then by a learned factor per channel."""

    def __init__(self, channels: int, scale: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), scale))

    def forward(self, x: Tensor) -> Tensor:
        """`(B, channels, H, W)` to the same shape."""
        length = x.pow(2).sum(dim=1, keepdim=True).sqrt() + 1e-10
        return x / length * self.weight[:, None, None]


class S3FD(nn.Module):
    """22,459,110 parameters. Call it in `eval()` mode and without gradients."""

    def __init__(self) -> None:
        super().__init__()
        for group, count, i, o in _GROUPS:
            for place in range(1, count + 1):
                self.add_module(
                    f"conv{group}_{place}", nn.Conv2d(i if place == 1 else o, o, 3, 1, 1)
                )
        self.add_module("fc6", nn.Conv2d(512, 1024, 3, 1, 3))
        self.add_module("fc7", nn.Conv2d(1024, 1024, 1))
        self.add_module("conv6_1", nn.Conv2d(1024, 256, 1))
        self.add_module("conv6_2", nn.Conv2d(256, 512, 3, 2, 1))
        self.add_module("conv7_1", nn.Conv2d(512, 128, 1))
        self.add_module("conv7_2", nn.Conv2d(128, 256, 3, 2, 1))
        for layer, scale in _NORMS.items():
            self.add_module(f"{layer}_norm", L2Norm(_HEADS[f"{layer}_norm"], scale))
        for layer, channels in _HEADS.items():
            classes = 4 if layer == "conv3_3_norm" else 2
            self.add_module(f"{layer}_mbox_conf", nn.Conv2d(channels, classes, 3, 1, 1))
            self.add_module(f"{layer}_mbox_loc", nn.Conv2d(channels, 4, 3, 1, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the raw maps of the six sizes: class, box, class, box ...

        `x` `(B, 3, H, W)` is RGB in 0..255 minus the mean (104, 117, 123). Class maps `(B, 2, h,
        w)` are background and face before the softmax; box maps `(B, 4, h, w)` are offset and size
        relative to the anchors.
        """
        maps: list[Tensor] = []
        for layer, features in self._features(x).items():
            scores = self._layer(f"{layer}_mbox_conf", features)
            maps += (_max_out(scores), self._layer(f"{layer}_mbox_loc", features))
        return tuple(maps)

    def _features(self, x: Tensor) -> dict[str, Tensor]:
        found = {}
        for group, count, _, _ in _GROUPS:
            for place in range(1, count + 1):
                x = torch.relu(self._layer(f"conv{group}_{place}", x))
            norm = f"conv{group}_{count}_norm"
            if norm in _HEADS:
                found[norm] = self._layer(norm, x)
            x = torch.max_pool2d(x, 2)
        for layer in ("fc6", "fc7", "conv6_1", "conv6_2", "conv7_1", "conv7_2"):
            x = torch.relu(self._layer(layer, x))
            if layer in _HEADS:
                found[layer] = x
        return found

    def _layer(self, name: str, x: Tensor) -> Tensor:
        y: Tensor = self.get_submodule(name)(x)
        return y


def _max_out(scores: Tensor) -> Tensor:
    """Background and face; of several background channels the strongest counts (max-out)."""
    background = scores[:, :-1].amax(dim=1, keepdim=True)
    return torch.cat((background, scores[:, -1:]), dim=1)
