"""A text and the name of a voice to sound, passage by passage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch

from models.errors import InputRejected
from models.kokoro.chunking import passes
from models.kokoro.voices import Voices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from models.kokoro.network import Network

LONGEST = 5_000
"""Characters of a text: about six minutes of speech."""


class Reading(Protocol):
    """Texts to phonemes, as `Words` does it."""

    def reader(self, language: str) -> Callable[[str], str]:
        """What tells the phonemes of a text; `language` is the first letter of a voice."""
        ...

    def dictionary(self, language: str) -> str:
        """Whose pronunciation it is."""
        ...


class Speaker:
    """The network, what reads for it, and its voices: made once, speaks many times."""

    def __init__(self, network: Network, words: Reading, voices: Voices) -> None:
        self._network = network
        self.words = words
        self.voices = voices

    @classmethod
    def load(cls, folder: Path) -> Speaker:
        """From the files of the manifest. Needs the extra `speech`.

        Raises `ModuleNotFoundError` without it, `WeightsInvalid` for a damaged file.
        """
        from models.kokoro import network
        from models.kokoro.g2p import Words

        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        return cls(network.load(folder, device), Words(folder), Voices(folder / "voices"))

    def passages(self, text: str, voice: str) -> list[str]:
        """The phonemes of each pass. Raises `InputRejected` with what cannot be spoken."""
        self.voices.check(voice)
        if not text.strip():
            raise InputRejected("invalid_input", "The text is empty.", field="text")
        if len(text) > LONGEST:
            raise InputRejected(
                "invalid_input",
                f"The text has {len(text):,} characters: send at most {LONGEST:,}.",
                field="text",
            )
        read = self.words.reader(voice[0])
        found = [phonemes for phonemes in passes(text, read) if self._speakable(phonemes)]
        if not found:
            raise InputRejected(
                "invalid_input", "The text holds no word that can be spoken.", field="text"
            )
        return found

    def speak(self, passages: list[str], voice: str) -> Iterator[NDArray[np.float32]]:
        """Samples `(n,)` of float32 at 24 kHz, one array a passage.

        The network draws noise for the breath in a voice: its seed is fixed, so that the same
        text sounds the same.
        """
        for phonemes in passages:
            style = self.voices.style(voice, len(phonemes))
            with torch.random.fork_rng(), torch.inference_mode():
                torch.manual_seed(0)
                yield self._network(phonemes, style).float().cpu().numpy().reshape(-1)

    def _speakable(self, phonemes: str) -> bool:
        """Whether a pass has a sound, not only a stop."""
        return any(sign.isalpha() and sign in self._network.vocab for sign in phonemes)
