"""The runners of latentsync-1.5 and latentsync-1.6."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from models.faces.cache import FaceTrackCache
from models.faces.detection import best_detector
from models.kokoro.tts import SpeechSynthesis
from models.latentsync.lip_sync import LatentSyncSync, chunking
from models.latentsync.loading.version import V1_5, V1_6, Version
from models.latentsync.networks import LatentSync, tokens
from models.latentsync.progress import StepProgress
from models.latentsync.sampling import CHUNK, Schedule
from models.latentsync.size_probe import check_size
from models.lipsync.run import LipSyncRun
from models.output_checks import check_faces, check_mouths_move
from models.resuming.parts import Parts
from models.settings import FaceSettings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from models.latentsync.input import Input
    from models.spec import Report, RunResult

_WARM_UP_STEPS: Final = 2


class Runner:
    """The loaded networks and a face detector."""

    def __init__(self, weights: Path, version: Version) -> None:
        self._networks = LatentSync(weights, version)
        self._detector = best_detector.load_best(weights / "faces", self._networks.device)
        folder = FaceSettings().face_cache
        self._track_cache = FaceTrackCache(folder) if folder else None
        self._speech = SpeechSynthesis(weights / "speech")
        self._size_checked = False

    def warm_up(self) -> None:
        """Generate one chunk in two steps: one picture with different sounds.

        Raises `OutputInvalid`, and `WeightsInvalid` for a UNet of another version.
        """
        self._check_size()
        networks = self._networks
        chance = np.random.default_rng(0)
        picture = torch.from_numpy(chance.uniform(-1, 1, (3, *networks.keep.shape)))
        shape = CHUNK, tokens(networks.encoder), networks.encoder.config.d_model
        latents = networks.denoise(
            [networks.encode(picture.float()[None])[0]] * CHUNK,
            chance.standard_normal(shape).astype(np.float32),
            networks.noise(0),
            Schedule(_WARM_UP_STEPS),
        )
        faces = networks.decode(latents[0].transpose(0, 1))
        check_faces(faces.permute(0, 2, 3, 1).numpy())
        check_mouths_move(faces.numpy())
        self._speech.warm_up()

    def generate(
        self, params: Input, inputs: Mapping[str, Path], out: Path, report: Report
    ) -> RunResult:
        """Generate one video. Raises `WeightsInvalid` for a UNet of another version."""
        self._check_size()
        self._networks.memory.prepare()
        chunks = chunking(params)
        progress = StepProgress(report, params.steps, chunks)
        parts = Parts.of(out, params, inputs, *self._networks.identity)
        network = LatentSyncSync(self._networks, params, progress, parts)
        name = f"LatentSync {self._networks.version.name}"
        return LipSyncRun(
            params=params,
            inputs=inputs,
            network=network,
            detector=self._detector,
            metadata={
                "comment": f"Made by Kinomill with {name}: a neural network moved the lips. "
                "The speech was not filmed."
            },
            notes={
                "weights_sha256": self._networks.digest,
                "seed": params.seed,
            },
            track_cache=self._track_cache,
            speech=self._speech,
            chunking=chunks,
            measured=network.measured,
        ).run(out, progress)

    def _check_size(self) -> None:
        """Refuse a UNet of another version before the first run."""
        if not self._size_checked:
            check_size(self._networks)
            self._size_checked = True


latentsync_1_5 = partial(Runner, version=V1_5)
latentsync_1_6 = partial(Runner, version=V1_6)
