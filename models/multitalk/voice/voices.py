"""The voices of a job, from its files or texts to one track for each person."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from models.errors import InputRejected
from models.kokoro.tts import VOICE_FILE
from models.multitalk.voice import tracks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from models.kokoro.tts import SpeechSynthesis, SynthesizedVoice
    from models.multitalk.request.input import Input
    from models.spec import Report

DEFAULT_VOICE: Final = "af_heart"
_FIELDS: Final = (("audio", "text", "voice"), ("audio_2", "text_2", "voice_2"))


@dataclass(frozen=True)
class Voices:
    """The voices of one job as they are heard."""

    tracks: Sequence[NDArray[np.float32]]
    """One for each person, of equal length, at `tracks.RATE`."""
    sound: Path
    """What is heard in the video."""
    notes: Mapping[str, Any]
    synthesized: Mapping[str, SynthesizedVoice] = field(default_factory=dict)
    """Voices that were synthesized, by the name that the caller sees."""

    def add_to_metadata(self, metadata: Mapping[str, str]) -> dict[str, str]:
        """The metadata of a video with a comment on each voice that is synthesized."""
        found = dict(metadata)
        for voice in self.synthesized.values():
            found = voice.add_to_metadata(found)
        return found


def read(
    params: Input,
    inputs: Mapping[str, Path],
    folder: Path,
    *,
    speech: SpeechSynthesis,
    report: Report,
) -> Voices:
    """Read the voices, and write their sum into `folder`.

    Raises `InputRejected`, with the field that a voice came from.
    """
    paths, notes, synthesized = _paths(params, inputs, folder, speech, report)
    limit = params.max_seconds
    voices = [tracks.read(path, field, limit + 1) for field, path in paths.items()]
    arranged = tracks.arranged(voices, params.audio_mode)
    most = round(limit * tracks.RATE)
    if len(arranged[0]) > most:
        notes["cut_at_seconds"] = limit
        arranged = [track[:most] for track in arranged]
    if len(arranged) == 1 and not isinstance(params.people, str):
        arranged.append(np.zeros_like(arranged[0]))  # the others in the picture are silent
    notes["voice_seconds"] = round(len(arranged[0]) / tracks.RATE, 3)
    mixed = tracks.mix(paths, params.audio_mode, folder / "sound.wav", limit)
    return Voices(arranged, mixed, notes, synthesized)


def _paths(
    params: Input,
    inputs: Mapping[str, Path],
    folder: Path,
    speech: SpeechSynthesis,
    report: Report,
) -> tuple[dict[str, Path], dict[str, Any], dict[str, SynthesizedVoice]]:
    """The file of each voice by its field; texts are synthesized first."""
    paths, notes, synthesized = {}, {}, {}
    for number, (audio, text, voice) in enumerate(_FIELDS, start=1):
        words = getattr(params, text)
        if audio in inputs:
            paths[audio] = inputs[audio]
        elif words is not None:
            own = folder / f"speech_{number}"
            own.mkdir()
            try:
                made = speech.synthesize(
                    words, getattr(params, voice) or DEFAULT_VOICE, own, report
                )
            except InputRejected as error:
                fields = {"text": text, "voice": voice}
                field = fields.get(error.field or "", error.field)
                raise InputRejected(error.code, str(error), field=field) from error
            paths[text] = made.path
            notes[text] = dict(made.notes)
            name = VOICE_FILE if number == 1 else f"voice_{number}.wav"
            synthesized[name] = made
    return paths, notes, synthesized
