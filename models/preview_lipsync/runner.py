"""preview-lipsync: a photo or a clip speaks with a given voice, without a neural network."""

from __future__ import annotations

from contextlib import closing
from fractions import Fraction
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from models.errors import attribute_to_field, no_face_error
from models.preview_lipsync import voice
from models.preview_lipsync.shots import Squares, clip_shots, photo_shots
from models.spec import Stage
from models.video import frames, probe, sound, still, thumbnail
from models.video.prefetch import prefetch
from models.video.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence
    from pathlib import Path

    from models.arrays import Frame
    from models.preview_lipsync.card import Input
    from models.preview_lipsync.shape import Opening
    from models.preview_lipsync.shots import Shot
    from models.spec import Report, RunResult

METADATA = {
    "comment": "Made by Kinomill with preview-lipsync: the mouth was opened by the loudness of "
    "the voice; no neural network took part. The speech was not filmed."
}


class Runner:
    """Opens the mouth of the largest face as the voice gets louder and brighter."""

    def __init__(self) -> None:
        self._detector = Squares()

    def warm_up(self) -> None:
        """Look for a face once: the detector reads its cascade at the first search."""
        self._detector.detect(np.zeros((64, 64, 3), np.uint8))

    def generate(
        self, params: Input, inputs: Mapping[str, Path], out: Path, report: Report
    ) -> RunResult:
        """Listen to the whole voice, then draw and encode frame by frame."""
        report(Stage.PREPROCESSING)
        field = "image" if "image" in inputs else "video"
        with attribute_to_field(field):
            fps = Fraction(params.fps) if field == "image" else probe.video_rate(inputs["video"])
        with attribute_to_field("audio"):
            speech = voice.listen(sound.blocks(inputs["audio"], rate=voice.RATE), fps)
            openings = voice.openings(speech, params.openness)
        with attribute_to_field(field):
            shots = self._shots(params, inputs, fps, len(openings))
            first = next(shots)
        height, width = first.frame.shape[:2]
        writer = Writer(
            out, width=width, height=height, fps=fps, sound=inputs["audio"], metadata=METADATA
        )
        faceless = 0
        with (
            writer,
            attribute_to_field(field),
            closing(_drawn(chain([first], shots), openings)) as drawn,
        ):
            for done, (frame, faced) in enumerate(drawn, start=1):
                writer.write(frame)
                faceless += not faced
                preview = partial(thumbnail.jpeg, frame)
                report(Stage.GENERATING, done, len(openings), preview=preview)
            if faceless == len(openings):
                raise no_face_error(field)
        return writer.result({"frames_without_face": faceless})

    def _shots(
        self, params: Input, inputs: Mapping[str, Path], fps: Fraction, count: int
    ) -> Iterator[Shot]:
        if "image" in inputs:
            photo = still.downscale(still.read_still(inputs["image"]), params.max_side)
            return photo_shots(photo, self._detector)
        pictures = frames.looped(
            inputs["video"], count, loop=frames.Loop(params.loop), max_side=params.max_side
        )
        return clip_shots(pictures, self._detector, fps)


def _drawn(
    shots: Iterator[Shot], openings: Sequence[Opening]
) -> Generator[tuple[Frame, bool], None, None]:
    """Each frame with its mouth open, and whether it shows a face; drawn while others encode."""
    yield from prefetch(
        (shot.warp(shot.frame, opening), True) if shot.warp else (shot.frame, False)
        for shot, opening in zip(shots, openings, strict=False)
    )
