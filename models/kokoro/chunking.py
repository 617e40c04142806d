"""A text in the portions that the network takes: whole sentences, as phonemes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MOST_PHONEMES: Final = 510
"""The network's context is 512, of which it puts one on either side."""
COMFORTABLE: Final = 200
"""Sentences share a pass up to here: its author names 100 to 200 as best, above 400 as rushed."""

_ENDS: Final = (
    re.compile(r"(?:(?<=[.!?…])|(?<=[.!?…][\"'”\u2019)\]»]))\s+|\s*\n+\s*"),
    re.compile(r"(?<=[,;:—\u2013])\s+"),
    re.compile(r"\s+"),
)
"""Where a text may be cut, the best places first: sentences, clauses, words."""


def sentences(text: str) -> list[str]:
    """The sentences of a text. A line's end ends one, too."""
    return _cut(text, _ENDS[0])


def passes(text: str, read: Callable[[str], str]) -> Iterator[str]:
    """The phonemes of the whole text in order, in portions of at most `MOST_PHONEMES`.

    `read` tells the phonemes of a piece of text. A sentence that is too long is cut at its
    clauses, then between its words; what still is too long, a word without end, is cut hard.
    """
    held = ""
    for sentence in sentences(text):
        for phonemes in _fitting(sentence, read):
            if held and len(held) + 1 + len(phonemes) > COMFORTABLE:
                yield held
                held = ""
            held = f"{held} {phonemes}".strip()
    if held:
        yield held


def _fitting(text: str, read: Callable[[str], str], level: int = 1) -> Iterator[str]:
    phonemes = read(text).strip()
    if len(phonemes) <= MOST_PHONEMES:
        if phonemes:
            yield phonemes
    elif level == len(_ENDS):
        for start in range(0, len(phonemes), MOST_PHONEMES):
            yield phonemes[start : start + MOST_PHONEMES]
    else:
        for part in _halves(_cut(text, _ENDS[level])):
            yield from _fitting(part, read, level if part != text else level + 1)


def _halves(parts: list[str]) -> list[str]:
    """Two texts of about as many parts each, so that no pass is left with a word or two."""
    middle = (len(parts) + 1) // 2
    return [" ".join(half) for half in (parts[:middle], parts[middle:]) if half]


def _cut(text: str, ends: re.Pattern[str]) -> list[str]:
    return [part for part in ends.split(text.strip()) if part]
