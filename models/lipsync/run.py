"""One lip-sync job from its files to its MP4, the same for every network."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from models.errors import attribute_to_field
from models.kokoro.tts import FILE, Speech, blamed_on_text
from models.lipsync import silence
from models.lipsync.engine import Engine, Look
from models.lipsync.face_frames import Scene
from models.spec import Stage
from models.video import thumbnail
from models.video.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from models.faces.cache import FaceTrackCache
    from models.faces.detection.detector import Detector
    from models.faces.tracking.tracked_frame import TrackedFrame
    from models.lipsync.input import Input
    from models.lipsync.network import Frame, Lips
    from models.spec import Report, RunResult


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
    boxes: FaceTrackCache | None = None
    """What remembers the faces of clips."""
    speech: Speech = field(default_factory=Speech)
    """What says a text that came instead of a voice."""

    def run(self, out: Path, report: Report) -> RunResult:
        """Make the video, as long as the voice; a text is spoken first."""
        if self.params.text is None:
            return self._filmed(out, report)
        spoken = self.speech.say(self.params.text, self.params.voice, out.parent, report)
        job = replace(
            self,
            inputs={**self.inputs, "audio": spoken.path},
            metadata=spoken.told(self.metadata),
            notes={**self.notes, **spoken.notes},
        )
        with blamed_on_text():
            clip = job._filmed(out, report)
        return replace(clip, files={**clip.files, FILE: spoken.path})

    def _filmed(self, out: Path, report: Report) -> RunResult:
        report(Stage.PREPROCESSING)
        voice = self.inputs["audio"]
        field = "image" if "image" in self.inputs else "video"
        with attribute_to_field(field):
            scene = Scene(self.params, self.inputs, self.detector, self.boxes)
        with attribute_to_field("audio"):
            strengths = self._strengths(voice, scene.fps)
        count = len(strengths)
        with (
            attribute_to_field(field),
            closing(scene.seen(count)) as seen,
            closing(self._frames(seen, voice, scene.fps, strengths)) as made,
        ):
            sound = partial(Writer, out, fps=scene.fps, sound=voice, metadata=self.metadata)
            writer = _written(made, sound, partial(_told, report, count))
        return writer.result({**self.notes, **self._quality(scene)})

    def _strengths(self, voice: Path, fps: Fraction) -> Sequence[float]:
        """How much of the made face each frame shows; as many as there are frames."""
        level = silence.levels(voice, fps)
        count = self.lips.length(voice, fps, len(level))
        if self.params.upstream or not self.params.rest_in_silence:
            return [1.0] * count
        strengths: list[float] = silence.strengths(level, fps).tolist()
        return strengths

    def _frames(
        self, seen: Iterable[TrackedFrame], voice: Path, fps: Fraction, strengths: Sequence[float]
    ) -> Generator[Frame]:
        params = self.params
        look = Look(params.blend == "box", params.sharpen, params.upstream)
        offset = Fraction(params.audio_offset_ms, 1000)
        heard = self.lips.hear(voice, fps, len(strengths), offset)
        return Engine(self.lips, look).frames(seen, heard, strengths)

    def _quality(self, scene: Scene) -> dict[str, Any]:
        counts = scene.counts
        came = {"fps_in": str(scene.fps)} if scene.field == "video" else {}
        return {
            "frames": counts.frames,
            "frames_with_face": counts.with_face,
            "frames_with_interpolated_face": counts.interpolated,
            "frames_without_face": counts.without_face,
            "scene_cuts": counts.cuts,
            "detector": "region" if self.params.region else self.detector.name,
            **came,
            "fps_out": str(scene.fps),
        }


def _written(
    made: Iterator[Frame], writer: Callable[..., Writer], tell: Callable[[int, Frame], None]
) -> Writer:
    """All frames in a file of the size of the first."""
    first = next(made)
    height, width = first.shape[:2]
    with writer(width=width, height=height) as opened:
        for done, frame in enumerate(chain([first], made), start=1):
            opened.write(frame)
            tell(done, frame)
    return opened


def _told(report: Report, total: int, done: int, frame: Frame) -> None:
    report(Stage.GENERATING, done, total, preview=partial(thumbnail.jpeg, frame))
