"""musetalk: loads once, then makes faces speak."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from models.faces.cache import FaceTrackCache
from models.faces.detection import best_detector
from models.kokoro.tts import Speech
from models.lipsync.run import Job
from models.musetalk.face.mask import Mode
from models.musetalk.lips import MuseTalkLips
from models.musetalk.networks import MuseTalk
from models.settings import FaceSettings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from models.musetalk.card import Input
    from models.spec import Report, RunResult

METADATA: Final = {
    "comment": "Made by Kinomill with MuseTalk 1.5: a neural network moved the lips. "
    "The speech was not filmed."
}


class Runner:
    """UNet, VAE and ear in memory, and what finds faces."""

    def __init__(self, weights: Path) -> None:
        with ThreadPoolExecutor(max_workers=1) as aside:
            digest = aside.submit(_digest, weights / "unet" / "unet.pth")
            self._networks = MuseTalk(weights)
        self._detector = best_detector.load_best(weights / "faces", self._networks.device)
        folder = FaceSettings().face_cache
        self._boxes = FaceTrackCache(folder) if folder else None
        self._speech = Speech(weights / "speech")
        self._digest = digest.result()

    def warm_up(self) -> None:
        """A whole batch: memory is taken and kernels are chosen now, not by the first job."""
        self._networks.warm_up()
        self._speech.warm_up()

    def generate(
        self, params: Input, inputs: Mapping[str, Path], out: Path, report: Report
    ) -> RunResult:
        """Make one video."""
        cheeks = params.cheek_width, params.cheek_width
        return Job(
            params=params,
            inputs=inputs,
            lips=MuseTalkLips(
                self._networks, mode=Mode(params.mask), cheeks=cheeks, upstream=params.upstream
            ),
            detector=self._detector,
            metadata=METADATA,
            notes={"weights_sha256": self._digest, **self._networks.notes},
            boxes=self._boxes,
            speech=self._speech,
        ).run(out, report)


def _digest(path: Path) -> str:
    """Of all that the UNet's file holds; 3.4 GB take some seconds, in the time of loading."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
