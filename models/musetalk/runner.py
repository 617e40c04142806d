"""The runner of musetalk."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from models.faces.cache import FaceTrackCache
from models.faces.detection import best_detector
from models.kokoro.tts import SpeechSynthesis
from models.lipsync.run import LipSyncRun
from models.musetalk.face.mask import Mode
from models.musetalk.lip_sync import MuseTalkSync
from models.musetalk.networks import MuseTalk
from models.settings import FaceSettings
from runtime.files import sha256_file

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
    """The loaded networks and a face detector."""

    def __init__(self, weights: Path) -> None:
        with ThreadPoolExecutor(max_workers=1) as executor:
            digest = executor.submit(sha256_file, weights / "unet" / "unet.pth")
            self._networks = MuseTalk(weights)
        self._detector = best_detector.load_best(weights / "faces", self._networks.device)
        folder = FaceSettings().face_cache
        self._track_cache = FaceTrackCache(folder) if folder else None
        self._speech = SpeechSynthesis(weights / "speech")
        self._digest = digest.result()

    def warm_up(self) -> None:
        """Run one full batch, so that memory is allocated and kernels are selected before the first
        job.
        """
        self._networks.warm_up()
        self._speech.warm_up()

    def generate(
        self, params: Input, inputs: Mapping[str, Path], out: Path, report: Report
    ) -> RunResult:
        """Generate one video."""
        cheeks = params.cheek_width, params.cheek_width
        return LipSyncRun(
            params=params,
            inputs=inputs,
            network=MuseTalkSync(
                self._networks,
                mode=Mode(params.mask),
                cheeks=cheeks,
                upstream=params.upstream,
                fixed_region=params.region is not None,
            ),
            detector=self._detector,
            metadata=METADATA,
            notes={"weights_sha256": self._digest},
            track_cache=self._track_cache,
            speech=self._speech,
            measured=lambda: self._networks.notes,  # the number format may change in the run
        ).run(out, report)
