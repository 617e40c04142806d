"""Faces by S3FD, the detector with which Wav2Lip was trained: slow, sure, small faces too."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
import torch

from models import checkpoints
from models.faces.box import Box
from models.faces.detection import region
from models.faces.detection.s3fd import S3FD
from models.faces.detection.s3fd_boxes import faces

if TYPE_CHECKING:
    from pathlib import Path

    from models.faces.detection.detector import Frame
    from models.faces.detection.region import Region

MEAN = np.array((104, 117, 123), np.float32)
LONG_SIDE = 640
SHORTEST = 32
"""No side of what the network sees is shorter: its maps would be empty."""


class S3fdDetector:
    """Searches a copy of the frame, no side longer than `long_side` (640 to 960 is sensible).

    The faces are those of `s3fd-619a316812.pth`. Where a GPU's memory does not suffice, copies of
    half and a quarter of the size are tried; not yet run on a GPU. Raises `WeightsInvalid`.
    """

    def __init__(
        self, weights: Path, long_side: int = LONG_SIDE, *, device: torch.device | str = "cpu"
    ) -> None:
        self._network = S3FD()
        checkpoints.load_into(self._network, weights)
        self._network.eval().requires_grad_(False)
        self._network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in the stubs
        self._device = torch.device(device)
        self._long_side = long_side

    @property
    def name(self) -> str:
        """Kind and size of the copy."""
        return f"s3fd-619a316812 side-{self._long_side}"

    def detect(self, frame: Frame, *, smallest: float = 0) -> list[Box]:
        """Search the whole frame."""
        for part in (1, 2):
            with suppress(torch.OutOfMemoryError):
                found = self._search(region.whole(frame, self._long_side // part))
                return [box for box in found if box.w >= smallest]
        return self._search(region.whole(frame, self._long_side // 4))

    def detect_near(self, frame: Frame, last: Box) -> list[Box]:
        """Search about the last box, for faces of 0.6 to 1.6 times its size."""
        return region.of_like_size(self._search(region.about(frame, last)), last)

    def face(self, box: Box) -> Box:
        """The box itself: it reaches from forehead to chin."""
        return box

    def _search(self, part: Region) -> list[Box]:
        if min(part.pixels.shape[:2]) < SHORTEST:
            return []
        with torch.inference_mode():
            found = faces(self._network(self._seen(part.pixels)))
        return part.boxes(Box(x, y, u - x, v - y) for x, y, u, v, _ in found.tolist())

    def _seen(self, pixels: Frame) -> torch.Tensor:
        """BGR 8 bits to what the network sees: RGB, not scaled, about 0."""
        picture = pixels[:, :, ::-1].astype(np.float32) - MEAN
        seen = torch.from_numpy(picture).permute(2, 0, 1)[None].to(self._device)
        return seen.contiguous(memory_format=torch.channels_last)
