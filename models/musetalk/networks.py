"""All networks of MuseTalk, loaded once and used by many jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import structlog
import torch

from models.errors import WeightsInvalid
from models.musetalk import precision
from models.musetalk.face import face_crop
from models.musetalk.face.landmarks import Landmarks
from models.musetalk.face.parser import Parser
from models.musetalk.network import Network
from models.musetalk.oom_batches import Halving
from models.musetalk.whisper_features import Ear

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from models.lipsync.network import Frame

log = structlog.get_logger()

GPU_BATCH, CPU_BATCH = 8, 2


class Sight:
    """A face as the network sees it; its latents are made at its first use and kept.

    Hand the same one in for each frame that shows the same picture, as with a photo, and it is
    encoded once. It holds 196 kB, later 32 kB (16 in half precision).
    """

    def __init__(self, crop: Frame) -> None:
        self.crop: Frame | None = crop
        self.latents: Tensor | None = None


class MuseTalk:
    """A folder of weights, laid out as `weights.toml` says. Not yet run on a GPU.

    Landmarks and parser may be absent: boxes then come from the detector, masks are ovals.
    """

    def __init__(
        self, folder: Path, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> None:
        device = device or precision.chosen_device()
        self.device = device
        self._network = Network(folder, device, dtype or precision.chosen_dtype(device))
        self.ear = Ear(folder / "whisper", device)
        self._network.expect(self.ear.width)
        self.landmarks = _landmarks(folder / "dwpose" / "dw-ll_ucoco_384.onnx")
        parser = folder / "parser" / "79999_iter.pth"
        self.parser = Parser(parser, device) if parser.exists() else None
        self._halving = Halving(GPU_BATCH if device.type == "cuda" else CPU_BATCH)

    @property
    def batch(self) -> int:
        """How many faces to hand in at a time; less after memory ran out."""
        return self._halving.most

    @property
    def notes(self) -> dict[str, str]:
        """What a result rests on, for the report of its quality."""
        return {
            "runs_on": f"{self.device.type} {self._network.precision}",
            "box": "landmarks" if self.landmarks else "detector",
            "mask": "parser" if self.parser else "oval",
        }

    def warm_up(self) -> None:
        """A whole batch of silence, so that the first job pays for nothing."""
        silence = next(self.ear.hear([np.zeros(640, np.float32)], 25))
        black = np.zeros((face_crop.EDGE, face_crop.EDGE, 3), np.uint8)
        self.speak([Sight(black) for _ in range(self.batch)], [silence] * self.batch)

    def speak(
        self, sights: Sequence[Sight], features: Sequence[NDArray[np.float32]]
    ) -> list[Frame]:
        """The faces saying what is heard, BGR of 256 x 256, in order, for any number of them."""
        return self._halving(self._spoken, sights, features)

    def _spoken(
        self, sights: Sequence[Sight], features: Sequence[NDArray[np.float32]]
    ) -> list[Frame]:
        latents = torch.stack(self._latents(sights))
        return self._network.speak(latents, np.stack(features))

    def _latents(self, sights: Sequence[Sight]) -> list[Tensor]:
        crops = {sight: sight.crop for sight in sights if sight.crop is not None}
        if crops:
            for sight, latents in zip(crops, self._network.encode([*crops.values()]), strict=True):
                sight.latents, sight.crop = latents.clone(), None
        return [sight.latents for sight in sights if sight.latents is not None]


def _landmarks(path: Path) -> Landmarks | None:
    """What finds landmarks; without its file, or an OpenCV that reads it, boxes do without."""
    if not path.exists():
        return None
    try:
        return Landmarks(path)
    except WeightsInvalid as error:
        log.warning("no landmarks", reason=str(error))
        return None
