"""Selection of the best face detector whose weights are present."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from models.faces.detection.haar import HaarDetector
from models.faces.detection.s3fd_detector import S3fdDetector
from models.faces.detection.tilted import TiltedDetector
from models.faces.detection.yunet import YunetDetector

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from models.faces.detection.detector import Detector

S3FD: Final = "s3fd-619a316812.pth"
YUNET: Final = "face_detection_yunet_2023mar.onnx"


def load_best(folder: Path, device: torch.device) -> Detector:
    """Load S3FD, else YuNet, else OpenCV's Haar cascade, which needs no weights.

    The usual weights profiles have YuNet. S3FD takes 1.9 s a frame on one CPU core, so only
    profiles for a GPU have it. Each also finds tilted heads. Raises `WeightsInvalid`.
    """
    if (folder / S3FD).exists():
        return TiltedDetector(S3fdDetector(folder / S3FD, device=device))
    if (folder / YUNET).exists():
        return TiltedDetector(YunetDetector(folder / YUNET))
    return TiltedDetector(HaarDetector())
