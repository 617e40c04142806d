"""The best face detector that a folder of weights holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from models.faces.detection.haar import HaarDetector
from models.faces.detection.s3fd_detector import S3fdDetector
from models.faces.detection.yunet import YunetDetector

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from models.faces.detection.detector import Detector

S3FD: Final = "s3fd-619a316812.pth"
YUNET: Final = "face_detection_yunet_2023mar.onnx"


def best(folder: Path, device: torch.device) -> Detector:
    """S3FD, which only some profiles pull; YuNet, which the usual ones do; else OpenCV's cascade.

    S3FD searches every frame: 1.9 s on a CPU core, so its profiles are for a GPU.
    """
    if (folder / S3FD).exists():
        return S3fdDetector(folder / S3FD, device=device)
    if (folder / YUNET).exists():
        return YunetDetector(folder / YUNET)
    return HaarDetector()
