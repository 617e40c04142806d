"""musetalk: loads once, then makes faces speak."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from models.faces import detectors
from models.lipsync.run import Job
from models.musetalk.lips import MuseTalkLips
from models.musetalk.mask import Mode
from models.musetalk.networks import MuseTalk

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from models.musetalk.card import Input
    from models.spec import Clip, Report

METADATA: Final = {
    "comment": "Made by Framemill with MuseTalk 1.5: a neural network moved the lips. "
    "The speech was not filmed."
}


class Runner:
    """UNet, VAE and ear in memory, and what finds faces."""

    def __init__(self, weights: Path) -> None:
        self._networks = MuseTalk(weights)
        self._detector = detectors.best(weights / "faces", self._networks.device)
        self._notes = self._networks.notes

    def warm_up(self) -> None:
        """A whole batch: memory is taken and kernels are chosen now, not by the first job."""
        self._networks.warm_up()

    def generate(
        self, params: Input, inputs: Mapping[str, Path], out: Path, report: Report
    ) -> Clip:
        """Make one video."""
        cheeks = params.cheek_width, params.cheek_width
        return Job(
            params=params,
            inputs=inputs,
            lips=MuseTalkLips(self._networks, mode=Mode(params.mask), cheeks=cheeks),
            detector=self._detector,
            metadata=METADATA,
            notes=self._notes,
        ).run(out, report)
