"""The runner of preview-lipsync: opens the mouth of a face with a voice, without a
neural network.
"""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from models.errors import attribute_to_field
from models.faces.detection.tilted import TiltedDetector
from models.faces.tracking.required_face import RequiredFace
from models.lipsync.output_rate import output_rate
from models.mouth import voice_openings
from models.mouth.mouth_frames import HaarSquares, photo_frames, video_frames
from models.spec import Stage
from models.video import frames, probe, sound, still, thumbnail
from models.video.prefetch import prefetch
from models.video.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence
    from fractions import Fraction
    from pathlib import Path

    from models.arrays import Frame
    from models.mouth.mouth_frames import MouthFrame
    from models.mouth.opening_fields import Opening
    from models.mouth.warp import MouthWarp
    from models.preview_lipsync.card import Input
    from models.spec import Report, RunResult

METADATA = {
    "comment": "Made by Kinomill with preview-lipsync: the mouth was opened by the loudness of "
    "the voice; no neural network took part. The speech was not filmed."
}


class Runner:
    """Opens the mouth of the largest face as the voice gets louder and brighter."""

    def __init__(self) -> None:
        self._detector = TiltedDetector(HaarSquares())

    def warm_up(self) -> None:
        """Detect faces once: OpenCV loads its cascade at the first detection."""
        self._detector.detect(np.zeros((64, 64, 3), np.uint8))

    def generate(
        self, params: Input, inputs: Mapping[str, Path], out: Path, report: Report
    ) -> RunResult:
        """Measure the whole voice, then draw and encode frame by frame."""
        report(Stage.PREPROCESSING)
        field = "image" if "image" in inputs else "video"
        with attribute_to_field(field):
            own = probe.video_rate(inputs["video"]) if field == "video" else None
            fps = output_rate(params, own)
        with attribute_to_field("audio"):
            measured = voice_openings.measure(
                sound.blocks(inputs["audio"], rate=voice_openings.RATE), fps
            )
            openings = voice_openings.openings(measured, params.openness)
        with attribute_to_field(field):
            mouth_frames = self._frames(params, inputs, fps, len(openings))
            first = next(mouth_frames)
        height, width = first.frame.shape[:2]
        writer = Writer(
            out,
            width=width,
            height=height,
            fps=fps,
            sound=inputs["audio"],
            metadata=METADATA,
            ai_label=params.ai_label,
        )
        warps: Counter[str] = Counter()
        with (
            writer,
            attribute_to_field(field),
            closing(_draw(chain([first], mouth_frames), openings)) as drawn,
        ):
            for done, (frame, warp) in enumerate(drawn, start=1):
                writer.write(frame)
                warps["none" if warp is None else "guessed" if warp.is_guessed else "found"] += 1
                preview = partial(thumbnail.jpeg, frame)
                report(Stage.GENERATING, done, len(openings), preview=preview)
        return writer.result(
            {
                "frames_without_face": warps["none"],
                "frames_with_guessed_mouth": warps["guessed"],
            }
        )

    def _frames(
        self, params: Input, inputs: Mapping[str, Path], fps: Fraction, count: int
    ) -> Iterator[MouthFrame]:
        if "image" in inputs:
            photo = still.downscale(still.read_still(inputs["image"]), params.max_side)
            return photo_frames(photo, self._detector)
        face = RequiredFace("video")
        looped = frames.looped(
            inputs["video"],
            count,
            loop=frames.Loop(params.loop),
            fps=fps,
            max_side=params.max_side,
            on_end=face.end_pass,
        )
        return video_frames(looped, self._detector, fps, face)


def _draw(
    mouth_frames: Iterator[MouthFrame], openings: Sequence[Opening]
) -> Generator[tuple[Frame, MouthWarp | None], None, None]:
    """Each frame with its mouth open, and how it was drawn; drawn while others are encoded."""
    yield from prefetch(
        (mouth_frame.warp(mouth_frame.frame, opening), mouth_frame.warp)
        if mouth_frame.warp
        else (mouth_frame.frame, None)
        for mouth_frame, opening in zip(mouth_frames, openings, strict=False)
    )
