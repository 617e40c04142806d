"""BiSeNet with a ResNet-18 context path: labels each pixel of a face with one of 19 classes.

Yu et al., "BiSeNet", 2018. Layer sizes and module names are those of the published `79999_iter.pth`
(face-parsing.PyTorch), so that `load_state_dict(strict=True)` works. No convolution has a bias.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional

from models import checkpoints
from models.output_checks import check_finite

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

IMAGE_SIZE: Final = 512
"""Side in pixels of the images that are parsed."""
LABELS: Final = 19

_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_STD = np.array([0.229, 0.224, 0.225], np.float32)


class FaceParser:
    """The network with published weights, for one image at a time."""

    def __init__(self, path: Path, device: torch.device) -> None:
        network = BiSeNet()
        checkpoints.load_into(network, path)
        self._network = network.eval().requires_grad_(False).to(device)
        self._device = device

    @torch.inference_mode()
    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The label of each pixel, `(512, 512)`, of a square BGR image of any size."""
        rgb = cv2.cvtColor(cv2.resize(image, (IMAGE_SIZE, IMAGE_SIZE)), cv2.COLOR_BGR2RGB)
        normal = (rgb.astype(np.float32) / 255 - _MEAN) / _STD
        x = torch.from_numpy(normal.transpose(2, 0, 1)[None]).to(self._device)
        scores: Tensor = self._network(x)[0]
        check_finite(scores, "the face parser")
        return scores.argmax(0).to(torch.uint8).cpu().numpy()


class ConvBNReLU(nn.Module):
    """Convolution that keeps the size, batch norm, ReLU."""

    def __init__(self, i: int, o: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(i, o, kernel, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(o)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, i, H, W)` to `(B, o, H, W)`."""
        return torch.relu(self.bn(self.conv(x)))


class BasicBlock(nn.Module):
    """Two convolutions with a shortcut, with the names of torchvision's ResNet."""

    def __init__(self, i: int, o: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(i, o, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(o)
        self.conv2 = nn.Conv2d(o, o, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(o)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or i != o:
            self.downsample = nn.Sequential(
                nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o)
            )

    def forward(self, x: Tensor) -> Tensor:
        """`(B, i, H, W)` to `(B, o, H / stride, W / stride)`."""
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(self.downsample(x) + y)


def _stage(i: int, o: int, stride: int) -> nn.Sequential:
    return nn.Sequential(BasicBlock(i, o, stride), BasicBlock(o, o, 1))


class Resnet18(nn.Module):
    """The backbone without its classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = _stage(64, 64, 1)
        self.layer2 = _stage(64, 128, 2)
        self.layer3 = _stage(128, 256, 2)
        self.layer4 = _stage(256, 512, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features at 1/8 (128 channels), 1/16 (256) and 1/32 (512) of the size."""
        x = functional.max_pool2d(torch.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        eighth = self.layer2(self.layer1(x))
        sixteenth = self.layer3(eighth)
        return eighth, sixteenth, self.layer4(sixteenth)


class AttentionRefinement(nn.Module):
    """Channel attention with global average pooling."""

    def __init__(self, i: int, o: int) -> None:
        super().__init__()
        self.conv = ConvBNReLU(i, o, 3)
        self.conv_atten = nn.Conv2d(o, o, 1, bias=False)
        self.bn_atten = nn.BatchNorm2d(o)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, i, H, W)` to `(B, o, H, W)`."""
        x = self.conv(x)
        return x * torch.sigmoid(self.bn_atten(self.conv_atten(_mean(x))))


class ContextPath(nn.Module):
    """The backbone with attention refinement: semantic context."""

    def __init__(self) -> None:
        super().__init__()
        self.resnet = Resnet18()
        self.arm16 = AttentionRefinement(256, 128)
        self.arm32 = AttentionRefinement(512, 128)
        self.conv_head32 = ConvBNReLU(128, 128, 3)
        self.conv_head16 = ConvBNReLU(128, 128, 3)
        self.conv_avg = ConvBNReLU(512, 128, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The backbone's features at 1/8 of the size, and the context there, 128 channels each."""
        eighth, sixteenth, last = self.resnet(x)
        wide = self.arm32(last) + self.conv_avg(_mean(last))
        wide = self.conv_head32(_upsample_to(wide, sixteenth))
        context = self.conv_head16(_upsample_to(self.arm16(sixteenth) + wide, eighth))
        return eighth, context


class FeatureFusion(nn.Module):
    """Merges details and context with channel attention."""

    def __init__(self) -> None:
        super().__init__()
        self.convblk = ConvBNReLU(256, 256, 1)
        self.conv1 = nn.Conv2d(256, 64, 1, bias=False)
        self.conv2 = nn.Conv2d(64, 256, 1, bias=False)

    def forward(self, detail: Tensor, context: Tensor) -> Tensor:
        """Two maps of 128 channels to one of 256."""
        x: Tensor = self.convblk(torch.cat((detail, context), 1))
        share = torch.sigmoid(self.conv2(torch.relu(self.conv1(_mean(x)))))
        return x * share + x


class Head(nn.Module):
    """Labels from a feature map."""

    def __init__(self, i: int, middle: int) -> None:
        super().__init__()
        self.conv = ConvBNReLU(i, middle, 3)
        self.conv_out = nn.Conv2d(middle, LABELS, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, i, H, W)` to `(B, 19, H, W)`."""
        y: Tensor = self.conv_out(self.conv(x))
        return y


class BiSeNet(nn.Module):
    """13,300,416 parameters. `conv_out16` and `conv_out32` are used only in training."""

    def __init__(self) -> None:
        super().__init__()
        self.cp = ContextPath()
        self.ffm = FeatureFusion()
        self.conv_out = Head(256, 256)
        self.conv_out16 = Head(128, 64)
        self.conv_out32 = Head(128, 64)

    def forward(self, x: Tensor) -> Tensor:
        """RGB `(B, 3, H, W)`, normalized as for ImageNet, to `(B, 19, H, W)`."""
        labels = self.conv_out(self.ffm(*self.cp(x)))
        return functional.interpolate(labels, x.shape[2:], mode="bilinear", align_corners=True)


def _mean(x: Tensor) -> Tensor:
    return x.mean((2, 3), keepdim=True)


def _upsample_to(x: Tensor, like: Tensor) -> Tensor:
    return functional.interpolate(x, like.shape[2:], mode="nearest")
