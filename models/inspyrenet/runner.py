"""The runner of inspyrenet: one picture in, one picture out."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import cv2

from models.cutout.picture import check_size, read_rgb, save_picture
from models.inspyrenet import saliency
from models.inspyrenet.composite import compose, resize_aligned
from models.inspyrenet.loading import Models
from models.spec import Stage
from models.video.still import start_decoder
from models.video.thumbnail import jpeg

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from models.cutout.input import PictureInput
    from models.inspyrenet.saliency import Saliency
    from models.spec import Report, RunResult


class Runner:
    """The loaded networks."""

    def __init__(self, weights: Path) -> None:
        self._models = Models(weights)

    def warm_up(self) -> None:
        """Run each network once, and start the decoder of images. Raises `OutputInvalid`."""
        start_decoder()
        self._models.warm_up()

    def generate(
        self, params: PictureInput, inputs: Mapping[str, Path], out: Path, report: Report
    ) -> RunResult:
        """Find the foreground of the picture, and compose what was asked for."""
        report(Stage.PREPROCESSING)
        rgb = read_rgb(inputs["image"], "image")
        check_size((rgb.shape[1], rgb.shape[0]), params.format)
        background = read_rgb(inputs["background"], "background") if params.background else None
        mode = self._models.select(params.mode, rgb)
        report(Stage.GENERATING, 0, 1)
        found = saliency.find(self._models[mode], rgb, params.resize)
        notes = self._models.notes(mode) | describe(found)
        report(Stage.GENERATING, 1, 1, notes=notes, preview=partial(_preview, found))
        pixels = compose(
            rgb,
            found.values,
            output=params.output,
            color=params.rgb,
            background=background,
            threshold=params.threshold,
            reverse=params.reverse,
            refine_foreground=params.refine_foreground,
        )
        report(Stage.ENCODING, 0, 1)
        return save_picture(pixels, out, params.format, notes=notes)


def describe(found: Saliency) -> dict[str, Any]:
    """How sure the network was, and how much of the picture is foreground."""
    return {
        "input_size": list(found.size),
        "confidence": round(found.peak, 4),
        "foreground_found": found.peak >= saliency.FOUND,
        "foreground_share": round(float(found.values.mean()), 4),
    }


def _preview(found: Saliency) -> bytes:
    """The map in gray, small enough for a preview."""
    height, width = found.values.shape
    scale = min(1.0, 320 / max(height, width))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    small: NDArray[np.uint8] = (resize_aligned(found.values, size) * 255).astype("uint8")
    return jpeg(cv2.cvtColor(small, cv2.COLOR_GRAY2BGR))  # type: ignore[arg-type]
