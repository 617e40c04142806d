"""The runner of preview-i2v: a slow camera move over an image, without a neural network."""

from __future__ import annotations

from contextlib import closing
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from models.errors import attribute_to_field
from models.preview_i2v.camera import render_view
from models.preview_i2v.camera_move import plan_clip
from models.spec import Part, Stage
from models.video.prefetch import prefetch
from models.video.still import read_still
from models.video.thumbnail import jpeg
from models.video.writer import Writer
from models.wan.request.resolve import resolve

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from models.spec import Report, RunResult
    from models.wan.request.input import TwoExpertInput
    from models.wan.request.resolve import ResolvedRequest

LABEL: Final = "a camera move over the still; nothing was generated"

METADATA: Final = {"comment": f"Made by Kinomill with preview-i2v: {LABEL}."}


class Runner:
    """Moves a camera over the image, with the sizes, steps and phases of a Wan model."""

    def warm_up(self) -> None:
        """Render a frame once: OpenCV starts its threads on first use."""
        render_view(np.zeros((80, 80, 3), np.uint8), (1.0, 0.0, 0.0), (64, 64))

    def generate(
        self, params: TwoExpertInput, inputs: Mapping[str, Path], out: Path, report: Report
    ) -> RunResult:
        """Resolve the request as the Wan models do, then draw and encode frame by frame."""
        report(Stage.PREPROCESSING)
        images = {name: _read(path, name) for name, path in inputs.items()}
        height, width = images["image"].shape[:2]
        resolved = resolve(params, params.variant, (width, height))
        notes = resolved.notes() | {"label": LABEL}
        report(Stage.PREPROCESSING, 1, 1, notes=notes)
        clip = plan_clip(images["image"], images.get("last_image"), resolved)
        with _writer(out, resolved) as writer, closing(prefetch(clip.frames())) as frames:
            for done, frame in enumerate(frames, start=1):
                writer.write(frame)
                _report_steps(report, resolved, done, frame)
            report(Stage.ENCODING, 0, 1)
        report(Stage.ENCODING, 1, 1)
        return writer.result(notes)


def _read(path: Path, field: str) -> NDArray[np.uint8]:
    with attribute_to_field(field):
        return read_still(path)


def _writer(out: Path, resolved: ResolvedRequest) -> Writer:
    fps = Fraction(resolved.fps)
    return Writer(
        out,
        width=resolved.width,
        height=resolved.height,
        fps=fps,
        metadata=METADATA,
        ai_label=resolved.ai_label,
    )


def _report_steps(
    report: Report, resolved: ResolvedRequest, done: int, frame: NDArray[np.uint8]
) -> None:
    """Count the denoising steps that a Wan model would take, spread over the frames."""
    steps = resolved.total_steps
    step = done * steps // resolved.total_frames
    segment = min(step // resolved.steps, resolved.segments - 1) + 1
    part = Part(segment, resolved.segments)
    report(Stage.GENERATING, step, steps, preview=partial(jpeg, frame), part=part)
