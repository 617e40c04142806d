"""The runner of wav2lip."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import numpy as np

from models.errors import WeightsInvalid
from models.faces.cache import FaceTrackCache
from models.faces.detection import best_detector
from models.kokoro.tts import SpeechSynthesis
from models.lipsync import device
from models.lipsync.run import LipSyncRun
from models.output_checks import check_faces, check_finite, check_mouths_move
from models.settings import FaceSettings
from models.wav2lip import checkpoint
from models.wav2lip.lip_sync import Wav2LipSync
from runtime.files import sha256_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from models.spec import Report, RunResult
    from models.wav2lip.card import Input

CHECKPOINTS: Final = (
    *("wav2lip_gan.safetensors", "wav2lip.safetensors"),
    *("wav2lip_gan.pth", "wav2lip.pth"),
)
"""In order of preference: files of `kinomill models convert` before published ones. Of each, the
first looks better and the second follows the sound slightly more closely."""
METADATA: Final = {
    "comment": "Made by Kinomill with wav2lip: a neural network moved the lips. "
    "The speech was not filmed."
}


class Runner:
    """The loaded generator and a face detector."""

    def __init__(self, weights: Path) -> None:
        path = _checkpoint(weights)
        with ThreadPoolExecutor(max_workers=1) as executor:
            digest = executor.submit(sha256_file, path)
            self._device = device.select_device("wav2lip")
            self._network = self._device.prepare(checkpoint.load(path))
        self._detector = best_detector.load_best(weights / "faces", self._device.device)
        folder = FaceSettings().face_cache
        self._track_cache = FaceTrackCache(folder) if folder else None
        self._speech = SpeechSynthesis(weights / "speech")
        self._notes = {"weights_sha256": digest.result(), "runs_on": str(self._device)}

    def warm_up(self) -> None:
        """Run one full batch, so that memory is allocated and kernels are selected before the first
        job. Raises `OutputInvalid`.
        """
        faces = self._device.run(self._network, *_example(self._device.batch))
        check_finite(faces, "the network")
        check_faces(np.moveaxis(faces, 1, -1))
        check_mouths_move(faces)
        self._speech.warm_up()

    def generate(
        self, params: Input, inputs: Mapping[str, Path], out: Path, report: Report
    ) -> RunResult:
        """Generate one video."""
        return LipSyncRun(
            params=params,
            inputs=inputs,
            network=Wav2LipSync(
                self._network, self._device, pads=_pads(params), upstream=params.upstream
            ),
            detector=self._detector,
            metadata=METADATA,
            notes=self._notes,
            track_cache=self._track_cache,
            speech=self._speech,
        ).run(out, report)


def _pads(params: Input) -> tuple[int, int, int, int]:
    """Top, bottom, left, right; none for a region, as with `--box` of the authors' script."""
    if params.region is not None:
        return 0, 0, 0, 0
    return params.pads.top, params.pads.bottom, params.pads.left, params.pads.right


def _checkpoint(weights: Path) -> Path:
    for name in CHECKPOINTS:
        if (weights / name).exists():
            return weights / name
    raise WeightsInvalid(f"{weights} has none of {', '.join(CHECKPOINTS)}")


def _example(batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Sounds that differ, each with the same picture."""
    chance = np.random.default_rng(0)
    sounds = chance.uniform(-4, 4, (batch, 1, 80, 16)).astype(np.float32)
    picture = chance.random((1, 6, 96, 96), np.float32)
    return sounds, np.repeat(picture, batch, axis=0)
