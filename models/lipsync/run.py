"""One lip-sync run, from its input files to its MP4, the same for every network."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from models.errors import attribute_to_field
from models.kokoro.tts import VOICE_FILE, SpeechSynthesis, attribute_voice_errors_to_text
from models.lipsync import silence
from models.lipsync.chunks import ChunkedGeneration
from models.lipsync.engine import Compositing, Engine
from models.lipsync.face_frames import FaceFrames
from models.spec import Stage
from models.video import thumbnail
from models.video.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from models.arrays import Frame
    from models.faces.cache import FaceTrackCache
    from models.faces.detection.detector import Detector
    from models.faces.tracking.tracked_frame import TrackedFrame
    from models.lipsync.chunks import Chunking
    from models.lipsync.input import Input
    from models.lipsync.network import LipSyncNetwork
    from models.spec import Report, RunResult


@dataclass(frozen=True)
class LipSyncRun:
    """A request with its input files, and the network and tools that serve it."""

    params: Input
    inputs: Mapping[str, Path]
    network: LipSyncNetwork
    detector: Detector
    metadata: Mapping[str, str]
    notes: Mapping[str, Any]
    """Notes of the result about the network: its weights, the device it runs on."""
    track_cache: FaceTrackCache | None = None
    speech: SpeechSynthesis = field(default_factory=SpeechSynthesis)
    """Synthesizes the voice if the request has a text instead."""
    chunking: Chunking | None = None
    """For a network that takes frames in chunks."""
    measured: Callable[[], Mapping[str, Any]] = dict
    """Notes about the network that are known only at the end of a run."""

    def run(self, out: Path, report: Report) -> RunResult:
        """Generate the video, as long as the voice; a text is synthesized first."""
        if self.params.text is None:
            return self._generate_video(out, report)
        voice = self.speech.synthesize(self.params.text, self.params.voice, out.parent, report)
        run = replace(
            self,
            inputs={**self.inputs, "audio": voice.path},
            metadata=voice.add_to_metadata(self.metadata),
            notes={**self.notes, **voice.notes},
        )
        with attribute_voice_errors_to_text():
            result = run._generate_video(out, report)
        return replace(result, files={**result.files, VOICE_FILE: voice.path})

    def _generate_video(self, out: Path, report: Report) -> RunResult:
        report(Stage.PREPROCESSING)
        voice = self.inputs["audio"]
        field = "image" if "image" in self.inputs else "video"
        with attribute_to_field(field):
            source = FaceFrames(self.params, self.inputs, self.detector, self.track_cache)
        with attribute_to_field("audio"):
            opacities = self._opacities(voice, source.fps)
        count = len(opacities)
        with (
            attribute_to_field(field),
            closing(source.tracked(count)) as tracked,
            closing(self._frames(tracked, voice, source.fps, opacities)) as frames,
        ):
            create = partial(
                Writer,
                out,
                fps=source.fps,
                sound=voice,
                metadata=self.metadata,
                ai_label=self.params.ai_label,
            )
            writer = _write(frames, create, partial(_report_frame, report, count))
        return writer.result({**self.notes, **self._quality_notes(source), **self.measured()})

    def _opacities(self, voice: Path, fps: Fraction) -> Sequence[float]:
        """Opacity of the generated face in each frame; as many as there are frames."""
        level = silence.levels(voice, fps)
        count = self.network.frame_count(voice, fps, len(level))
        if self.params.upstream or not self.params.rest_in_silence:
            return [1.0] * count
        opacities: list[float] = silence.mouth_opacity(level, fps).tolist()
        return opacities

    def _frames(
        self,
        tracked: Iterable[TrackedFrame],
        voice: Path,
        fps: Fraction,
        opacities: Sequence[float],
    ) -> Generator[Frame]:
        params = self.params
        compositing = Compositing(params.blend == "box", params.sharpen, params.upstream)
        offset = Fraction(params.audio_offset_ms, 1000)
        features = self.network.audio_features(voice, fps, len(opacities), offset)
        chunks = ChunkedGeneration(self.network, self.chunking) if self.chunking else None
        return Engine(self.network, compositing, chunks).frames(tracked, features, opacities)

    def _quality_notes(self, source: FaceFrames) -> dict[str, Any]:
        counts = source.counts
        fps_in = {"fps_in": str(source.source_fps)} if source.source_fps is not None else {}
        return {
            "frames": counts.frames,
            "frames_with_face": counts.with_face,
            "frames_with_interpolated_face": counts.interpolated,
            "frames_without_face": counts.without_face,
            "scene_cuts": counts.cuts,
            "detector": "region" if self.params.region else self.detector.name,
            **fps_in,
            "fps_out": str(source.fps),
        }


def _write(
    frames: Iterator[Frame],
    create_writer: Callable[..., Writer],
    report_frame: Callable[[int, Frame], None],
) -> Writer:
    """Write all frames to a video of the size of the first."""
    first = next(frames)
    height, width = first.shape[:2]
    with create_writer(width=width, height=height) as writer:
        for done, frame in enumerate(chain([first], frames), start=1):
            writer.write(frame)
            report_frame(done, frame)
    return writer


def _report_frame(report: Report, total: int, done: int, frame: Frame) -> None:
    report(Stage.GENERATING, done, total, preview=partial(thumbnail.jpeg, frame))
