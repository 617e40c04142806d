"""Face detection with S3FD, with which Wav2Lip was trained: slow, reliable, finds small faces."""

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
from models.output_checks import check_finite

if TYPE_CHECKING:
    from pathlib import Path

    from models.arrays import Frame
    from models.faces.detection.region import SearchRegion

_MEAN = np.array((104, 117, 123), np.float32)
_LONG_SIDE = 640
_MIN_SIDE = 32
"""Shortest side of an input in pixels; the maps of a smaller one would be empty."""


class S3fdDetector:
    """Searches a copy of the frame whose longer side is `long_side` (640 to 960 is sensible).

    The weights are `s3fd-619a316812.pth`. If the GPU runs out of memory, it tries a copy of half
    and then a quarter of the size; this has not been tried on a GPU. Raises `WeightsInvalid`.
    """

    def __init__(
        self, weights: Path, long_side: int = _LONG_SIDE, *, device: torch.device | str = "cpu"
    ) -> None:
        self._network = S3FD()
        checkpoints.load_into(self._network, weights)
        self._network.eval().requires_grad_(False)
        self._network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in the stubs
        self._device = torch.device(device)
        self._long_side = long_side

    @property
    def name(self) -> str:
        """Kind, and the size of the copy that is searched."""
        return f"s3fd-619a316812 side-{self._long_side}"

    def detect(self, frame: Frame, *, min_width: float = 0) -> list[Box]:
        """Search the whole frame."""
        for divisor in (1, 2):
            with suppress(torch.OutOfMemoryError):
                found = self._search(region.whole_frame(frame, self._long_side // divisor))
                return [box for box in found if box.w >= min_width]
        return self._search(region.whole_frame(frame, self._long_side // 4))

    def detect_near(self, frame: Frame, last: Box) -> list[Box]:
        """Search around the last box for faces of 0.6 to 1.6 times its size."""
        return region.similar_in_size(self._search(region.around(frame, last)), last)

    def face_box(self, box: Box) -> Box:
        """The box itself: it spans forehead to chin."""
        return box

    def _search(self, searched: SearchRegion) -> list[Box]:
        if min(searched.pixels.shape[:2]) < _MIN_SIDE:
            return []
        with torch.inference_mode():
            maps = self._network(self._normalized(searched.pixels))
            check_finite(torch.cat([one.flatten() for one in maps]), "the face detector")
            found = faces(maps)
        return searched.boxes(Box(x, y, u - x, v - y) for x, y, u, v, _ in found.tolist())

    def _normalized(self, pixels: Frame) -> torch.Tensor:
        """BGR 0..255 to the network's input `(1, 3, H, W)`: RGB minus the mean."""
        image = pixels[:, :, ::-1].astype(np.float32) - _MEAN
        tensor = torch.from_numpy(image).permute(2, 0, 1)[None].to(self._device)
        return tensor.contiguous(memory_format=torch.channels_last)
