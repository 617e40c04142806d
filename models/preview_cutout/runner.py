"""The runner of preview-cutout: a picture's foreground by its colors, without a neural network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from models.cutout.picture import check_size, read_rgb, save_picture
from models.inspyrenet.composite import compose
from models.preview_cutout.segmentation import find_foreground
from models.spec import Stage
from models.video.still import start_decoder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from models.cutout.input import PictureInput
    from models.spec import Report, RunResult

LABEL: Final = "separated by color (GrabCut); no neural network"


class Runner:
    """Finds the foreground in milliseconds, with the outputs of InSPyReNet."""

    def warm_up(self) -> None:
        """Start the decoder, and separate a picture once: OpenCV starts its threads by that."""
        start_decoder()
        gray = np.arange(64 * 64, dtype=np.uint8).reshape(64, 64, 1).repeat(3, axis=2)
        compose(gray, find_foreground(gray), output="rgba")

    def generate(
        self, params: PictureInput, inputs: Mapping[str, Path], out: Path, report: Report
    ) -> RunResult:
        """Read, separate, compose, encode."""
        report(Stage.PREPROCESSING)
        rgb = read_rgb(inputs["image"], "image")
        check_size((rgb.shape[1], rgb.shape[0]), params.format)
        background = read_rgb(inputs["background"], "background") if params.background else None
        report(Stage.GENERATING, 0, 1)
        saliency = find_foreground(rgb)
        pixels = compose(
            rgb,
            saliency,
            output=params.output,
            color=params.rgb,
            background=background,
            threshold=params.threshold,
            reverse=params.reverse,
            refine_foreground=params.refine_foreground,
        )
        report(Stage.ENCODING, 0, 1)
        notes = {"label": LABEL, "foreground_share": round(float(saliency.mean()), 4)}
        return save_picture(pixels, out, params.format, notes=notes)
