"""The runner of preview-talking: mouths that open with voices, without a neural network."""

from __future__ import annotations

import tempfile
from contextlib import closing
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from models.errors import attribute_to_field
from models.faces.detection.tilted import TiltedDetector
from models.kokoro.tts import SpeechSynthesis
from models.mouth import voice_openings
from models.mouth.mouth import default_mouth, detect_mouth
from models.mouth.mouth_frames import HaarSquares
from models.mouth.warp import MouthWarp
from models.multitalk.request import regions
from models.multitalk.request.resolve import resolve
from models.multitalk.variants import FPS, MULTITALK, frame_count
from models.multitalk.voice.voices import read
from models.spec import Part, Stage
from models.video.prefetch import prefetch
from models.video.still import read_photo
from models.video.thumbnail import jpeg
from models.video.writer import Writer
from models.wan.request.image_fit import draw

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from models.arrays import Frame
    from models.faces.box import Box
    from models.mouth.opening_fields import Opening
    from models.multitalk.request.input import Input
    from models.multitalk.request.regions import People
    from models.multitalk.request.resolve import ResolvedRequest
    from models.multitalk.voice.voices import Voices
    from models.spec import Report, RunResult

LABEL: Final = "the mouths were opened by the loudness of the voices; nothing was generated"

METADATA: Final = {"comment": f"Made by Kinomill with preview-talking: {LABEL}."}


class Runner:
    """Opens the mouth of each person with that person's voice, in the phases of MultiTalk."""

    def __init__(self) -> None:
        self._detector = TiltedDetector(HaarSquares())
        self._speech = SpeechSynthesis()

    def warm_up(self) -> None:
        """Detect faces once: OpenCV loads its cascade at the first detection."""
        self._detector.detect(np.zeros((64, 64, 3), np.uint8))

    def generate(
        self, params: Input, inputs: Mapping[str, Path], out: Path, report: Report
    ) -> RunResult:
        """Resolve the request as MultiTalk does, then draw and encode frame by frame."""
        report(Stage.PREPROCESSING)
        with attribute_to_field("image"):
            photo = read_photo(inputs["image"])
        picture = photo.image
        people = regions.locate(params, photo, self._detector)
        with tempfile.TemporaryDirectory(dir=out.parent) as scratch:
            voices = read(params, inputs, Path(scratch), speech=self._speech, report=report)
            resolved = _resolve(params, picture, voices)
            frame = draw(picture, resolved.framing)
            faces = self._speakers(frame, people, resolved)
            notes = {**resolved.notes(), **people.notes, **voices.notes}
            notes |= {"label": LABEL, "faces_found": sum(face is not None for face in faces)}
            report(Stage.PREPROCESSING, 1, 1, notes=notes)
            drawn = _draw(frame, _mouths(frame, faces, voices), resolved.plan.total)
            return _write(drawn, resolved, voices, out, report).result(notes)

    def _speakers(
        self, frame: Frame, people: People, resolved: ResolvedRequest
    ) -> list[Box | None]:
        """The face of each person in the frame: the largest one of the person's rectangle.

        A model with a network needs none, so None is no error.
        """
        found = self._detector.detect(frame)
        if not people.regions:
            return [found[0] if found else None]
        faces = []
        for rows, columns in regions.cells(people, resolved.framing):
            inside = (face for face in found if _is_inside(face, rows, columns))
            faces.append(next(inside, None))
        return faces


def _resolve(params: Input, picture: Frame, voices: Voices) -> ResolvedRequest:
    height, width = picture.shape[:2]
    return resolve(
        params,
        MULTITALK,
        image_size=(width, height),
        frames=frame_count(len(voices.tracks[0])),
        loras=MULTITALK.fast,
    )


def _is_inside(face: Box, rows: slice, columns: slice) -> bool:
    x, y = (side / regions.LATENT for side in face.center)
    return bool(rows.start <= y < rows.stop and columns.start <= x < columns.stop)


def _mouths(
    frame: Frame, faces: Sequence[Box | None], voices: Voices
) -> list[tuple[MouthWarp, Sequence[Opening]]]:
    """The mouth of each face that was found, with how far it opens in each frame."""
    found = []
    for face, track in zip(faces, voices.tracks, strict=False):
        if face is not None:
            mouth = detect_mouth(frame, face) or default_mouth(face)
            found.append((MouthWarp(frame, mouth), _openings(track)))
    return found


def _openings(track: NDArray[np.float32]) -> Sequence[Opening]:
    if not track.any():
        return []  # who has no voice is silent
    return voice_openings.openings(voice_openings.measure([track], Fraction(FPS)), openness=1.0)


def _draw(
    frame: Frame, mouths: Sequence[tuple[MouthWarp, Sequence[Opening]]], count: int
) -> Iterator[Frame]:
    for number in range(count):
        drawn = frame
        for warp, openings in mouths:
            if number < len(openings):
                drawn = warp(drawn, openings[number])
        yield drawn


def _write(
    drawn: Iterator[Frame], resolved: ResolvedRequest, voices: Voices, out: Path, report: Report
) -> Writer:
    writer = Writer(
        out,
        width=resolved.width,
        height=resolved.height,
        fps=Fraction(FPS),
        sound=voices.sound,
        metadata=METADATA,
        ai_label=resolved.ai_label,
    )
    with writer, closing(prefetch(drawn)) as frames:
        for done, frame in enumerate(frames, start=1):
            writer.write(frame)
            _report_steps(report, resolved, done, frame)
        report(Stage.ENCODING, 1, 1)
    return writer


def _report_steps(report: Report, resolved: ResolvedRequest, done: int, frame: Frame) -> None:
    """Count the denoising steps that MultiTalk would take, spread over the frames."""
    step = done * resolved.total_steps // resolved.plan.total
    clip = min(step // resolved.steps, resolved.plan.count - 1) + 1
    part = Part(clip, resolved.plan.count)
    report(Stage.GENERATING, step, resolved.total_steps, preview=partial(jpeg, frame), part=part)
