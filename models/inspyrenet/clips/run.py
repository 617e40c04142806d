"""One clip, frame by frame: decode, find, smooth, stretch, compose, encode."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from models.cutout.picture import read_rgb
from models.errors import attribute_to_field, unreadable_error
from models.faces.tracking.cuts import CutDetector
from models.inspyrenet.clips.edges import refine_edges
from models.inspyrenet.clips.map_frame import MapFrame
from models.inspyrenet.clips.smoothing import smooth
from models.inspyrenet.clips.statistics import ClipStatistics
from models.inspyrenet.clips.stretching import stretch
from models.inspyrenet.composite import compose, cover, prepared_alpha
from models.inspyrenet.saliency import logits_that_fit
from models.marking.source_type import TAG, DigitalSourceType
from models.spec import Stage
from models.video.decoding.timed_frames import timed_frames
from models.video.encoding.clip_writer import ClipFormat, clip_writer
from models.video.prefetch import prefetch
from models.video.probe import probe
from models.video.thumbnail import jpeg

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from models.inspyrenet.clips.input import ClipInput
    from models.inspyrenet.clips.stretching import Matte
    from models.inspyrenet.loading import Models
    from models.inspyrenet.preprocess import Size
    from models.spec import Report, RunResult
    from models.video.decoding.timed_frames import TimedFrame
    from models.video.encoding.clip_writer import ClipWriter
    from models.video.probe import Probe

METADATA = {
    "comment": "Made by Kinomill with inspyrenet: a neural network removed the background.",
    TAG: DigitalSourceType.TRAINED.uri,
}


@dataclass
class ClipRun:
    """One request. Memory does not grow with the length of the clip."""

    params: ClipInput
    inputs: Mapping[str, Path]
    models: Models
    statistics: ClipStatistics = field(default_factory=ClipStatistics)
    _mode: str = ""
    _size: Size | None = None

    def run(self, out: Path, report: Report) -> RunResult:
        """Write the clip beside `out`."""
        report(Stage.PREPROCESSING)
        source = self._probe()
        total = source.video.frames if source.video else None
        background = self._background()
        with closing(prefetch(self._mattes(), steps=2)) as mattes:
            first = next(mattes)
            report(Stage.GENERATING, 0, total, notes=self.models.notes(self._mode))
            with self._writer(first, out, has_sound=source.audio is not None) as writer:
                for done, matte in enumerate(_chained(first, mattes), 1):
                    frame = matte.frame
                    pixels = self._compose(matte, background)
                    writer.write(pixels, frame.begin, frame.duration)
                    preview = partial(_preview, pixels)
                    report(Stage.GENERATING, done, max(done, total or done), preview=preview)
                report(Stage.ENCODING, 0, 1)
        return writer.result(self._notes())

    def _probe(self) -> Probe:
        with attribute_to_field("video"):
            found = probe(self.inputs["video"])
            if found.video is None:
                raise unreadable_error()
        return found

    def _background(self) -> NDArray[np.uint8] | None:
        if self.params.background is None:
            return None
        return read_rgb(self.inputs["background"], "background")

    def _mattes(self) -> Iterator[Matte]:
        frames = self.statistics.found(self._found())
        if self.params.temporal != "off":
            frames = smooth(frames, flow=self.params.temporal == "flow")
        yield from self.statistics.finished(stretch(frames, self.params.normalize))

    def _found(self) -> Iterator[MapFrame]:
        """Frames with the logits of the network, computed in batches."""
        cut = CutDetector()
        with attribute_to_field("video"):
            frames = timed_frames(self.inputs["video"], max_side=self.params.max_side)
            while batch := list(islice(frames, self._batch_size)):
                yield from self._found_in(batch, cut)

    @property
    def _batch_size(self) -> int:
        return self.models[self._mode].batch_size if self._mode else 1

    def _found_in(self, batch: list[TimedFrame], cut: CutDetector) -> Iterator[MapFrame]:
        pictures = [_rgb(frame.image) for frame in batch]
        self._mode = self._mode or self.models.select(self.params.mode, pictures[0])
        model = self.models[self._mode]
        if self._size is None:
            size = model.input_size(pictures[0], self.params.resize)
            found, self._size = logits_that_fit(model, pictures, size)
        else:
            found = model.logits(pictures, self._size)
        for frame, rgb, logits in zip(batch, pictures, found, strict=True):
            yield MapFrame(rgb, frame.begin, frame.duration, logits, cut(frame.image))

    def _writer(self, first: Matte, out: Path, *, has_sound: bool) -> ClipWriter:
        form = ClipFormat(self.params.format)
        height, width = first.frame.rgb.shape[:2]
        return clip_writer(
            form,
            out.with_suffix(form.suffix),
            width=width,
            height=height,
            sound=self.inputs["video"] if has_sound else None,
            metadata=METADATA,
        )

    def _compose(self, matte: Matte, background: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
        params = self.params
        rgb = matte.frame.rgb
        size = rgb.shape[0], rgb.shape[1]
        values = matte.values
        if params.refine_edges:
            values = refine_edges(prepared_alpha(values, size), rgb)
        return compose(
            rgb,
            values,
            output=params.output,
            color=params.rgb,
            background=None if background is None else cover(background, size),
            threshold=params.threshold,
            reverse=params.reverse,
            refine_foreground=params.refine_foreground,
        )

    def _notes(self) -> dict[str, Any]:
        size = {"input_size": list(self._size or ())}
        return self.models.notes(self._mode) | size | self.statistics.notes()


def _chained(first: Matte, rest: Iterator[Matte]) -> Iterator[Matte]:
    yield first
    yield from rest


def _rgb(bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def _preview(pixels: NDArray[np.uint8]) -> bytes:
    """A frame for the caller to watch, on white where it is transparent."""
    rgb = pixels[..., :3]
    if pixels.shape[2] == 4:
        alpha = pixels[..., 3:].astype(np.float32) / 255
        rgb = (rgb * alpha + 255 * (1 - alpha)).astype(np.uint8)
    return jpeg(np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), np.uint8))
