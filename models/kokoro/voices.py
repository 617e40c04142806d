"""The voices in a folder and their style vectors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from models import checkpoints
from models.errors import InputRejected, WeightsInvalid
from models.kokoro import files
from models.kokoro.chunking import MAX_PHONEMES

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
"""Language code of espeak by the first letter of a voice's name.

`j` and `z`, Japanese and Mandarin, need packages that the extra `speech` does not install.
"""
STYLE: Final = 256
"""Length of the vector that describes how a chunk sounds."""
_NAME: Final = re.compile(r"[a-z]{2}_[a-z0-9]+")


class Voices:
    """The voices in a folder, one file each, loaded on first use."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._packs: dict[str, Tensor] = {}

    @property
    def names(self) -> list[str]:
        """Names of the voices that can be used."""
        stems = (path.stem for path in self._folder.glob("*.pt"))
        return sorted(stem for stem in stems if _NAME.fullmatch(stem) and stem[0] in LANGUAGES)

    def style(self, name: str, phonemes: int) -> Tensor:
        """The style `(1, STYLE)` of a voice for a chunk of this number of phonemes."""
        if name not in self._packs:
            self._packs[name] = self._read(name)
        return self._packs[name][phonemes - 1]

    def check(self, name: str) -> None:
        """Raise `InputRejected`, which lists the voices, unless this voice can be used."""
        if name not in self.names:
            known = ", ".join(self.names) or "none"
            raise InputRejected(
                "invalid_input",
                f"This worker has no voice {name!r}; it has: {known}.",
                field="voice",
            )

    def _read(self, name: str) -> Tensor:
        path = self._folder / f"{name}.pt"
        pack = files.load_pickle(path)
        shape = tuple(getattr(pack, "shape", ()))
        if shape != (MAX_PHONEMES, 1, STYLE):
            raise WeightsInvalid(f"{path} is not a voice: its shape is {shape}")
        return checkpoints.checked_tensor(pack, name, path).float()
