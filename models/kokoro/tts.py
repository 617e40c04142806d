"""Speech synthesis for the lip-sync runners: a text in place of a voice.

This module imports neither torch nor the code of Kokoro, which pulls in GPL-3 packages. They come
with the extra `speech`, and are imported only on a worker whose weights profile has speech.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog

from models.errors import InputRejected
from models.kokoro import wav
from models.spec import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from models.kokoro.synthesizer import Synthesizer
    from models.spec import Report

log = structlog.get_logger()

MODEL: Final = "Kokoro-82M"
VOICE_FILE: Final = "voice.wav"
"""File name of the synthesized voice, as the caller sees it."""


@dataclass(frozen=True)
class SynthesizedVoice:
    """A synthesized voice on disk, with its notes for the result."""

    path: Path
    voice: str
    notes: Mapping[str, Any]

    def add_to_metadata(self, metadata: Mapping[str, str]) -> dict[str, str]:
        """The metadata of a video with a comment that its voice is synthesized."""
        sentence = f"The voice was synthesized from text by {MODEL} ({self.voice})."
        return {**metadata, "comment": f"{metadata.get('comment', '')} {sentence}".strip()}


class SpeechSynthesis:
    """The synthesizer of a worker, loaded on first use, if the worker has one."""

    def __init__(
        self, folder: Path | None = None, load: Callable[[Path], Synthesizer] | None = None
    ) -> None:
        """`folder` has the files of `models/kokoro/weights.toml`, if the weights profile includes
        them.
        """
        self._folder = folder
        self._load = load or _load
        self._synthesizer: Synthesizer | None = None

    def warm_up(self) -> None:
        """Load the synthesizer now, if the worker has one."""
        try:
            self._loaded()
        except SpeechUnavailable as error:
            if self._folder is not None and self._folder.is_dir():
                log.warning(
                    "speech weights present but the extra is not installed", error=str(error)
                )

    def synthesize(self, text: str, voice: str, folder: Path, report: Report) -> SynthesizedVoice:
        """Write a voice into a folder. Raises `InputRejected`."""
        synthesizer = self._loaded()
        chunks = synthesizer.phoneme_chunks(text, voice)

        def with_progress() -> Iterator[Any]:
            report(Stage.PREPROCESSING, 0, len(chunks))
            for done, chunk in enumerate(synthesizer.synthesize(chunks, voice), start=1):
                yield chunk
                report(Stage.PREPROCESSING, done, len(chunks))

        seconds = wav.write(folder / VOICE_FILE, with_progress())
        notes = {
            "speech": f"synthesized from text by {MODEL}",
            "voice": voice,
            "voice_seconds": round(seconds, 3),
            "pronunciation": synthesizer.g2p.source(voice[0]),
        }
        return SynthesizedVoice(folder / VOICE_FILE, voice, notes)

    def _loaded(self) -> Synthesizer:
        if self._synthesizer is None:
            if self._folder is None or not self._folder.is_dir():
                raise SpeechUnavailable("its weights profile has none")
            try:
                self._synthesizer = self._load(self._folder)
            except ModuleNotFoundError as error:
                raise SpeechUnavailable(
                    "the extra `speech` is not installed (see docs/speech.md)"
                ) from error
        return self._synthesizer


class SpeechUnavailable(InputRejected):
    """The worker cannot synthesize speech: send a voice as `audio`, or ask the operator."""

    def __init__(self, reason: str) -> None:
        message = f"This worker has no speech synthesis: {reason}. Send a voice as `audio`."
        super().__init__("speech_unavailable", message, field="text")


@contextmanager
def attribute_voice_errors_to_text() -> Iterator[None]:
    """Blame errors of a synthesized voice on the field `text`, from which it was synthesized."""
    try:
        yield
    except InputRejected as error:
        if error.field != "audio":
            raise
        message = f"The voice synthesized from the text cannot be used. {error}"
        raise InputRejected(error.code, message, field="text") from error


def _load(folder: Path) -> Synthesizer:
    from models.kokoro.synthesizer import Synthesizer

    return Synthesizer.load(folder)
