"""The voices of a folder: which there are, and what the network is told of one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from models.errors import InputRejected, WeightsInvalid
from models.kokoro import files
from models.kokoro.chunking import MOST_PHONEMES

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

LANGUAGES: Final = {
    "a": "en-us",
    "b": "en-gb",
    "e": "es",
    "f": "fr-fr",
    "h": "hi",
    "i": "it",
    "p": "pt-br",
}
"""The first letter of a voice's name, and its language in the words of espeak.

`j` and `z`, Japanese and Mandarin, need packages that the extra does not bring.
"""
STYLE: Final = 256
"""Numbers that describe how one passage is to sound."""
_NAME: Final = re.compile(r"[a-z]{2}_[a-z0-9]+")


class Voices:
    """The voices in a folder, one file each; a voice is read when it first speaks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._packs: dict[str, Tensor] = {}

    @property
    def names(self) -> list[str]:
        """All that can speak here."""
        stems = (path.stem for path in self._folder.glob("*.pt"))
        return sorted(stem for stem in stems if _NAME.fullmatch(stem) and stem[0] in LANGUAGES)

    def style(self, name: str, phonemes: int) -> Tensor:
        """The style `(1, STYLE)` of a voice for a passage of so many phonemes."""
        if name not in self._packs:
            self._packs[name] = self._read(name)
        return self._packs[name][phonemes - 1]

    def check(self, name: str) -> None:
        """Raises `InputRejected` with the voices that there are."""
        if name not in self.names:
            known = ", ".join(self.names) or "none"
            raise InputRejected(
                "invalid_input",
                f"This worker has no voice {name!r}; it has: {known}.",
                field="voice",
            )

    def _read(self, name: str) -> Tensor:
        path = self._folder / f"{name}.pt"
        pack = files.read(path)
        shape = tuple(getattr(pack, "shape", ()))
        if shape != (MOST_PHONEMES, 1, STYLE):
            raise WeightsInvalid(f"{path} is no voice: its shape is {shape}")
        style: Tensor = pack.float()
        return style
