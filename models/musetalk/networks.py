"""All networks of MuseTalk, loaded once and shared by many runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import structlog
import torch

from models.errors import WeightsInvalid
from models.musetalk import precision
from models.musetalk.face import face_crop
from models.musetalk.face.landmarks import LandmarkDetector
from models.musetalk.face.parser import FaceParser
from models.musetalk.network import MuseTalkNetwork
from models.musetalk.whisper_features import WhisperEncoder
from models.oom_batches import OomSafeBatches
from models.output_checks import check_faces, check_mouths_move

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from models.arrays import Frame

log = structlog.get_logger()

GPU_BATCH, CPU_BATCH = 8, 2


class EncodedFace:
    """A cropped face; its latents are computed on first use and kept.

    Pass the same object for every frame of a photo, and it is encoded once. It holds 196 kB, later
    32 kB (16 in half precision).
    """

    def __init__(self, crop: Frame) -> None:
        self.crop: Frame | None = crop
        self.latents: Tensor | None = None


class MuseTalk:
    """The networks of a weights folder with the paths of `weights.toml`. Not yet run on a GPU.

    Landmark detector and face parser may be absent: then boxes come from the face detector, and
    masks are ovals.
    """

    def __init__(
        self, folder: Path, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> None:
        device = device or precision.select_device()
        self.device = device
        self._network = MuseTalkNetwork(folder, device, dtype or precision.select_dtype(device))
        self.whisper = WhisperEncoder(folder / "whisper", device)
        self._network.require_width(self.whisper.width)
        self.landmarks = _landmarks(folder / "dwpose" / "dw-ll_ucoco_384.onnx")
        parser = folder / "parser" / "79999_iter.pth"
        self.parser = FaceParser(parser, device) if parser.exists() else None
        self._halving = OomSafeBatches(GPU_BATCH if device.type == "cuda" else CPU_BATCH)

    @property
    def batch(self) -> int:
        """Faces per call; fewer after out-of-memory."""
        return self._halving.batch_size

    @property
    def notes(self) -> dict[str, str]:
        """Notes of the result: device, and where boxes and masks come from."""
        return {
            "runs_on": f"{self.device.type} {self._network.precision}",
            "box": "landmarks" if self.landmarks else "detector",
            "mask": "parser" if self.parser else "oval",
        }

    def warm_up(self) -> None:
        """Generate one full batch: one picture with different sounds. Raises `OutputInvalid`."""
        chance = np.random.default_rng(0)
        silence = next(self.whisper.audio_features([np.zeros(640, np.float32)], 25))
        sounds = [chance.permutation(silence) for _ in range(self.batch)]
        picture = chance.integers(0, 256, (face_crop.FACE_SIZE, face_crop.FACE_SIZE, 3), np.uint8)
        faces = self.generate([EncodedFace(picture) for _ in range(self.batch)], sounds)
        check_faces(faces)
        check_mouths_move(np.stack(faces))

    def generate(
        self, faces: Sequence[EncodedFace], features: Sequence[NDArray[np.float32]]
    ) -> list[Frame]:
        """The faces with their mouths moved, BGR of 256 x 256, in order, for any number of them."""
        return self._halving(self._generate_batch, faces, features)

    def _generate_batch(
        self, faces: Sequence[EncodedFace], features: Sequence[NDArray[np.float32]]
    ) -> list[Frame]:
        latents = torch.stack(self._latents(faces))
        return self._network.generate(latents, np.stack(features))

    def _latents(self, faces: Sequence[EncodedFace]) -> list[Tensor]:
        crops = {face: face.crop for face in faces if face.crop is not None}
        if crops:
            for face, latents in zip(crops, self._network.encode([*crops.values()]), strict=True):
                face.latents, face.crop = latents.clone(), None
        return [face.latents for face in faces if face.latents is not None]


def _landmarks(path: Path) -> LandmarkDetector | None:
    """The landmark detector; None without its file, or if OpenCV cannot read it."""
    if not path.exists():
        return None
    try:
        return LandmarkDetector(path)
    except WeightsInvalid as error:
        log.warning("landmark detector not loaded", error=str(error))
        return None
