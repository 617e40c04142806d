"""The runner of the model that does nothing."""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models.file_type import FileType
from models.spec import RunResult, Stage
from models.video.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.noop.card import Input
    from models.spec import Report

SIDE = 16
FPS = Fraction(1)
STEPS = 20
"""Of a pause: between two, a run learns that it must stop."""


TEXT = b"nothing\n"
_TEXT_FILE = FileType("text/plain", "txt")


class Runner:
    """Encodes one black frame when it is created, for the jobs that make a video."""

    def __init__(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "video.mp4"
            with Writer(path, width=SIDE, height=SIDE, fps=FPS) as writer:
                writer.write(np.zeros((SIDE, SIDE, 3), np.uint8))
            self._video = path.read_bytes()
        self._result = writer.result()

    def warm_up(self) -> None:
        """Do nothing."""

    def generate(
        self, params: Input, inputs: Mapping[str, Path], out: Path, report: Report
    ) -> RunResult:
        """Pause, then write a text or the video."""
        if params.pause_seconds:  # even `sleep(0)` lets the other processes go first
            for step in range(STEPS):
                report(Stage.GENERATING, step, STEPS)
                time.sleep(params.pause_seconds / STEPS)
        if params.makes == "video":
            out.write_bytes(self._video)
            return replace(self._result, path=out)
        text = out.with_suffix(_TEXT_FILE.suffix)
        text.write_bytes(TEXT)
        return RunResult(text, SIDE, SIDE, encoder="none", file_type=_TEXT_FILE)
