"""The runner of inspyrenet-video: a clip in, a clip out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.inspyrenet.clips.run import ClipRun
from models.inspyrenet.loading import Models

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from models.inspyrenet.clips.input import ClipInput
    from models.spec import Report, RunResult


class Runner:
    """The loaded networks."""

    def __init__(self, weights: Path) -> None:
        self._models = Models(weights)

    def warm_up(self) -> None:
        """Run each network once. Raises `OutputInvalid`."""
        self._models.warm_up()

    def generate(
        self, params: ClipInput, inputs: Mapping[str, Path], out: Path, report: Report
    ) -> RunResult:
        """Remove the background of one clip."""
        return ClipRun(params, inputs, self._models).run(out, report)
