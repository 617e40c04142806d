"""Grapheme-to-phoneme conversion: misaki's dictionary for English, espeak for other languages.

Nothing is downloaded. misaki downloads spaCy's small model if it is not installed, even with the
Hub set to offline, so the model is read from the wheel among the weights. Without that wheel espeak
converts English, too; its stress is slightly worse.
"""

from __future__ import annotations

import zipfile
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from models.errors import WeightsInvalid
from models.kokoro.voices import LANGUAGES
from runtime.temporary_folder import TemporaryFolder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WHEEL: Final = "en_core_web_sm-*.whl"
"""Pattern of the file name of spaCy's English model among the weights."""
MAX_WHEEL_FILES: Final = 1_000
MAX_WHEEL_BYTES: Final = 200 * 1000**2
"""Unpacked. The published wheel has 35 files of 15 MB."""
_SPACY_PIPES: Final = ["tok2vec", "tagger"]
"""The pipes of spaCy's model that misaki uses."""


class GraphemeToPhoneme:
    """Converts texts in the language of a voice. Needs the extra `speech`."""

    def __init__(self, folder: Path) -> None:
        self._spacy = _spacy_model(folder)
        self._phonemizers: dict[str, Callable[[str], str]] = {}

    def phonemizer(self, language: str) -> Callable[[str], str]:
        """A function from text to phonemes; `language` is the first letter of a voice's name."""
        if language not in self._phonemizers:
            self._phonemizers[language] = self._create(language)
        return self._phonemizers[language]

    def source(self, language: str) -> str:
        """Where the pronunciation comes from: `misaki` or `espeak`."""
        return "misaki" if self._spacy is not None and language in "ab" else "espeak"

    def _create(self, language: str) -> Callable[[str], str]:
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
    """misaki's converter with a loaded spaCy model; its own `__init__` would download one."""
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

    with TemporaryFolder("kinomill-spacy-") as unpacked:
        try:
            unpack(wheel, unpacked)
            config = next(unpacked.glob("*/*/config.cfg"))
            return spacy.load(config.parent, enable=_SPACY_PIPES)
        except (OSError, ValueError, LookupError, StopIteration, zipfile.BadZipFile) as error:
            raise WeightsInvalid(f"{wheel} is not a model of spaCy: {error!r}") from error


def unpack(wheel: Path, folder: Path) -> None:
    """Unpack a wheel, unless it would fill the disk: of no file comes more than its entry says.

    Raises `ValueError`, `zipfile.BadZipFile`.
    """
    with zipfile.ZipFile(wheel) as archive:
        files = archive.infolist()
        size = sum(file.file_size for file in files)
        if len(files) > MAX_WHEEL_FILES or size > MAX_WHEEL_BYTES:
            raise ValueError(
                f"{len(files):,} files of {size:,} bytes, but {MAX_WHEEL_FILES:,} files and "
                f"{MAX_WHEEL_BYTES:,} bytes are the most"
            )
        archive.extractall(folder)
