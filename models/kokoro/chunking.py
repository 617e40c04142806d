"""Split a text into chunks of phonemes that fit the network's context."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_PHONEMES: Final = 510
"""Kokoro's context is 512 tokens, of which one at each end is padding."""
TARGET_PHONEMES: Final = 200
"""Sentences share a chunk up to this length. Kokoro's author names 100 to 200 as best, above 400 as
rushed."""

_BOUNDARIES: Final = (
    re.compile(r"(?:(?<=[.!?…])|(?<=[.!?…][\"'”\u2019)\]»]))\s+|\s*\n+\s*"),
    re.compile(r"(?<=[,;:—\u2013])\s+"),
    re.compile(r"\s+"),
)
"""Where a text may be split, in order of preference: sentences, clauses, words."""


def sentences(text: str) -> list[str]:
    """The sentences of a text. The end of a line also ends a sentence."""
    return _split(text, _BOUNDARIES[0])


def phoneme_chunks(text: str, phonemize: Callable[[str], str]) -> Iterator[str]:
    """The phonemes of the whole text in order, in chunks of at most `MAX_PHONEMES`.

    `phonemize` converts a piece of text to phonemes. A sentence that is too long is split at its
    clauses, then between words; a single word that is still too long is split at the limit.
    """
    held = ""
    for sentence in sentences(text):
        for phonemes in _fitting(sentence, phonemize):
            if held and len(held) + 1 + len(phonemes) > TARGET_PHONEMES:
                yield held
                held = ""
            held = f"{held} {phonemes}".strip()
    if held:
        yield held


def _fitting(text: str, phonemize: Callable[[str], str], level: int = 1) -> Iterator[str]:
    phonemes = phonemize(text).strip()
    if len(phonemes) <= MAX_PHONEMES:
        if phonemes:
            yield phonemes
    elif level == len(_BOUNDARIES):
        for start in range(0, len(phonemes), MAX_PHONEMES):
            yield phonemes[start : start + MAX_PHONEMES]
    else:
        for part in _halves(_split(text, _BOUNDARIES[level])):
            yield from _fitting(part, phonemize, level if part != text else level + 1)


def _halves(parts: list[str]) -> list[str]:
    """Two texts of about as many parts each, so that no chunk has only a word or two."""
    middle = (len(parts) + 1) // 2
    return [" ".join(half) for half in (parts[:middle], parts[middle:]) if half]


def _split(text: str, boundary: re.Pattern[str]) -> list[str]:
    return [part for part in boundary.split(text.strip()) if part]
