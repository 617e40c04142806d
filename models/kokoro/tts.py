"""Text in the place of a voice: what a lip-sync runner needs of it. Free of torch until it speaks.

The code that runs Kokoro pulls in GPL-3 packages. They come with the extra `speech` alone, and are
imported only once a worker has the files in its profile, too.
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

    from models.kokoro.synthesizer import Speaker
    from models.spec import Report

log = structlog.get_logger()

MODEL: Final = "Kokoro-82M"
FILE: Final = "voice.wav"
"""The name under which the caller sees the made voice."""


@dataclass(frozen=True)
class Spoken:
    """A voice on disk, and what is to be told of it."""

    path: Path
    voice: str
    notes: Mapping[str, Any]

    def told(self, metadata: Mapping[str, str]) -> dict[str, str]:
        """The metadata of a video, with a word on where its voice comes from."""
        word = f"The voice was synthesized from text by {MODEL} ({self.voice})."
        return {**metadata, "comment": f"{metadata.get('comment', '')} {word}".strip()}


class Speech:
    """The speaker of a worker, if it has one."""

    def __init__(
        self, folder: Path | None = None, load: Callable[[Path], Speaker] | None = None
    ) -> None:
        """`folder` holds the files of `models/kokoro/weights.toml`, if the profile has them."""
        self._folder = folder
        self._load = load or _load
        self._speaker: Speaker | None = None

    def warm_up(self) -> None:
        """Load now, where there is something to load."""
        try:
            self._ready()
        except SpeechUnavailable as error:
            if self._folder is not None and self._folder.is_dir():
                log.warning("weights of speech without its code", reason=str(error))

    def say(self, text: str, voice: str, folder: Path, report: Report) -> Spoken:
        """Write a voice into a folder. Raises `InputRejected`."""
        speaker = self._ready()
        passages = speaker.passages(text, voice)

        def told() -> Iterator[Any]:
            report(Stage.PREPROCESSING, 0, len(passages))
            for done, chunk in enumerate(speaker.speak(passages, voice), start=1):
                yield chunk
                report(Stage.PREPROCESSING, done, len(passages))

        seconds = wav.write(folder / FILE, told())
        notes = {
            "speech": f"synthesized from text by {MODEL}",
            "voice": voice,
            "voice_seconds": round(seconds, 3),
            "pronunciation": speaker.words.dictionary(voice[0]),
        }
        return Spoken(folder / FILE, voice, notes)

    def _ready(self) -> Speaker:
        if self._speaker is None:
            if self._folder is None or not self._folder.is_dir():
                raise SpeechUnavailable("its operator has to choose a profile of weights with it")
            try:
                self._speaker = self._load(self._folder)
            except ModuleNotFoundError as error:
                raise SpeechUnavailable(
                    "the extra `speech` is not installed, see docs/speech.md"
                ) from error
        return self._speaker


class SpeechUnavailable(InputRejected):
    """This worker cannot speak a text: send a voice as `audio`, or ask its operator."""

    def __init__(self, cure: str) -> None:
        message = f"This worker has no speech: {cure}, or send a voice as `audio`."
        super().__init__("speech_unavailable", message, field="text")


@contextmanager
def blamed_on_text() -> Iterator[None]:
    """Say of the caller's text what is said of a voice that he did not send."""
    try:
        yield
    except InputRejected as error:
        if error.field != "audio":
            raise
        message = f"The voice that was made of the text cannot be used. {error}"
        raise InputRejected(error.code, message, field="text") from error


def _load(folder: Path) -> Speaker:
    from models.kokoro.synthesizer import Speaker

    return Speaker.load(folder)
