"""One lip-sync job from its files to its MP4, the same for every network."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, count
from typing import TYPE_CHECKING, Any

from models.errors import blamed_on
from models.lipsync import silence
from models.lipsync.engine import Engine, Look
from models.lipsync.scene import Scene
from models.spec import Stage
from models.video.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
    from pathlib import Path

    from models.faces.detector import Detector
    from models.faces.seen import Counts
    from models.lipsync.input import Input
    from models.lipsync.lips import Frame, Lips
    from models.spec import Clip, Report


@dataclass(frozen=True)
class Job:
    """A caller's wish with its files, and what fulfills it."""

    params: Input
    inputs: Mapping[str, Path]
    lips: Lips
    detector: Detector
    metadata: Mapping[str, str]
    notes: Mapping[str, Any]
    """What the result says of the network: its weights, where it ran."""

    def run(self, out: Path, report: Report) -> Clip:
        """Make the video, as long as the voice."""
        report(Stage.PREPROCESSING)
        field = "image" if "image" in self.inputs else "video"
        with blamed_on(field):
            scene = Scene(self.params, self.inputs, self.detector)
        with blamed_on("audio"):
            level = silence.levels(self.inputs["audio"], scene.fps)
        rests = self.params.rest_in_silence
        strengths = silence.strengths(level, scene.fps).tolist() if rests else [1.0] * len(level)
        with blamed_on(field), closing(self._frames(scene, strengths)) as made:
            writer = self._write(made, scene.fps, out, _steps(report, len(level)))
        return writer.clip({**self.notes, **self._quality(scene.counts)})

    def _frames(self, scene: Scene, strengths: Sequence[float]) -> Generator[Frame]:
        look = Look(hard=self.params.blend == "box", sharpen=self.params.sharpen)
        offset = Fraction(self.params.audio_offset_ms, 1000)
        total = len(strengths)
        heard = self.lips.hear(self.inputs["audio"], scene.fps, total, offset)
        return Engine(self.lips, look).frames(scene.seen(total), heard, strengths)

    def _write(
        self, made: Iterator[Frame], fps: Fraction, out: Path, step: Callable[[], None]
    ) -> Writer:
        first = next(made)
        height, width = first.shape[:2]
        voice = self.inputs["audio"]
        with Writer(
            out, width=width, height=height, fps=fps, sound=voice, metadata=self.metadata
        ) as writer:
            for frame in chain([first], made):
                writer.write(frame)
                step()
        return writer

    def _quality(self, counts: Counts) -> dict[str, Any]:
        return {
            "frames_with_face": counts.with_face,
            "frames_bridged": counts.bridged,
            "frames_without_face": counts.faceless,
            "scene_cuts": counts.cuts,
            "detector": "region" if self.params.region else self.detector.name,
        }


def _steps(report: Report, total: int) -> Callable[[], None]:
    done = count(1)
    return lambda: report(Stage.GENERATING, next(done), total)
