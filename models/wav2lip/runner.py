"""wav2lip: loads once, then makes faces speak."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import numpy as np

from models.errors import WeightsInvalid
from models.faces.cache import FaceTrackCache
from models.faces.detection import best_detector
from models.kokoro.tts import Speech
from models.lipsync import device
from models.lipsync.run import Job
from models.settings import FaceSettings
from models.wav2lip import checkpoint
from models.wav2lip.lips import Wav2LipLips

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from models.spec import Report, RunResult
    from models.wav2lip.card import Input

CHECKPOINTS: Final = (
    *("wav2lip_gan.safetensors", "wav2lip.safetensors"),
    *("wav2lip_gan.pth", "wav2lip.pth"),
)
"""In the order of choice: what `kinomill models convert` wrote comes before what was published;
of each, the first looks better and the second follows the sound a little closer."""
METADATA: Final = {
    "comment": "Made by Kinomill with wav2lip: a neural network moved the lips. "
    "The speech was not filmed."
}


class Runner:
    """The generator at its place, and what finds faces."""

    def __init__(self, weights: Path) -> None:
        path = _checkpoint(weights)
        network = checkpoint.load(path)
        example = _example(device.CPU_BATCH)
        self._place = device.best(network, *example)
        self._network = self._place.settle(network)
        self._detector = best_detector.load_best(weights / "faces", self._place.device)
        folder = FaceSettings().face_cache
        self._boxes = FaceTrackCache(folder) if folder else None
        self._speech = Speech(weights / "speech")
        self._notes = {"weights_sha256": _digest(path), "runs_on": str(self._place)}

    def warm_up(self) -> None:
        """One whole batch: memory is taken and kernels are chosen now, not by the first job."""
        self._place.run(self._network, *_example(self._place.batch))
        self._speech.warm_up()

    def generate(
        self, params: Input, inputs: Mapping[str, Path], out: Path, report: Report
    ) -> RunResult:
        """Make one video."""
        pads = params.pads.top, params.pads.bottom, params.pads.left, params.pads.right
        return Job(
            params=params,
            inputs=inputs,
            lips=Wav2LipLips(self._network, self._place, pads=pads, upstream=params.upstream),
            detector=self._detector,
            metadata=METADATA,
            notes=self._notes,
            boxes=self._boxes,
            speech=self._speech,
        ).run(out, report)


def _checkpoint(weights: Path) -> Path:
    for name in CHECKPOINTS:
        if (weights / name).exists():
            return weights / name
    raise WeightsInvalid(f"{weights} holds none of {', '.join(CHECKPOINTS)}")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _example(batch: int) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((batch, 1, 80, 16), np.float32), np.zeros((batch, 6, 96, 96), np.float32)
