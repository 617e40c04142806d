"""Words to phonemes: misaki's dictionary for English, espeak for the other languages.

Nothing is fetched. misaki would download spaCy's small model when it is not installed, even where
the Hub is told to be offline: here the model is read from the wheel that lies with the weights.
Without that wheel espeak reads English, too; its stress is a little worse.
"""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from models.errors import WeightsInvalid
from models.kokoro.voices import LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Callable

WHEEL: Final = "en_core_web_sm-*.whl"
_PARTS: Final = ["tok2vec", "tagger"]
"""What misaki uses of spaCy's model."""


class Words:
    """Reads texts in the language of a voice. Needs the extra `speech`."""

    def __init__(self, folder: Path) -> None:
        self._spacy = _spacy_model(folder)
        self._readers: dict[str, Callable[[str], str]] = {}

    def reader(self, language: str) -> Callable[[str], str]:
        """What tells the phonemes of a text; `language` is the first letter of a voice."""
        if language not in self._readers:
            self._readers[language] = self._make(language)
        return self._readers[language]

    def dictionary(self, language: str) -> str:
        """Whose pronunciation it is: `misaki` or `espeak`."""
        return "misaki" if self._spacy is not None and language in "ab" else "espeak"

    def _make(self, language: str) -> Callable[[str], str]:
        from misaki import espeak

        if language not in "ab":
            foreign = espeak.EspeakG2P(language=LANGUAGES[language])
            return lambda text: str(foreign(text)[0])
        british = language == "b"
        fallback = espeak.EspeakFallback(british=british)
        if self._spacy is None:
            return lambda text: str(fallback(SimpleNamespace(text=text))[0] or "")
        english = _english(self._spacy, british, fallback)
        return lambda text: str(english(text)[0])


def _english(model: Any, british: bool, fallback: Any) -> Any:
    """misaki's reader with a spaCy model that is there already: its own `__init__` downloads."""
    from misaki import en

    reader = en.G2P.__new__(en.G2P)
    reader.version = None
    reader.british = british
    reader.nlp = model
    reader.lexicon = en.Lexicon(british)
    reader.fallback = fallback
    reader.unk = ""
    return reader


def _spacy_model(folder: Path) -> Any | None:
    wheel = next(iter(sorted(folder.glob(WHEEL))), None)
    if wheel is None:
        return None
    import spacy

    with tempfile.TemporaryDirectory() as unpacked:
        try:
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(unpacked)
            config = next(Path(unpacked).glob("*/*/config.cfg"))
            return spacy.load(config.parent, enable=_PARTS)
        except (OSError, ValueError, LookupError, StopIteration, zipfile.BadZipFile) as error:
            raise WeightsInvalid(f"{wheel} is no model of spaCy: {error!r}") from error
