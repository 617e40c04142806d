"""Synthesis of a text with a given voice, chunk by chunk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch

from models.errors import InputRejected
from models.kokoro.chunking import phoneme_chunks
from models.kokoro.voices import Voices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from models.kokoro.network import Network

MAX_CHARACTERS = 5_000
"""Of a text: about six minutes of speech."""


class Phonemizers(Protocol):
    """Converts texts to phonemes, as `g2p.GraphemeToPhoneme` does."""

    def phonemizer(self, language: str) -> Callable[[str], str]:
        """A function from text to phonemes; `language` is the first letter of a voice's name."""
        ...

    def source(self, language: str) -> str:
        """Where the pronunciation comes from."""
        ...


class Synthesizer:
    """A loaded network with its phonemizers and voices."""

    def __init__(self, network: Network, g2p: Phonemizers, voices: Voices) -> None:
        self._network = network
        self.g2p = g2p
        self.voices = voices

    @classmethod
    def load(cls, folder: Path) -> Synthesizer:
        """Load the files of the manifest. Needs the extra `speech`.

        Raises `ModuleNotFoundError` without it and `WeightsInvalid` for a damaged file.
        """
        from models.kokoro import network
        from models.kokoro.g2p import GraphemeToPhoneme

        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        return cls(
            network.load(folder, device), GraphemeToPhoneme(folder), Voices(folder / "voices")
        )

    def phoneme_chunks(self, text: str, voice: str) -> list[str]:
        """The phonemes of each chunk. Raises `InputRejected` for a text or voice that cannot be
        spoken.
        """
        self.voices.check(voice)
        if not text.strip():
            raise InputRejected("invalid_input", "The text is empty.", field="text")
        if len(text) > MAX_CHARACTERS:
            raise InputRejected(
                "invalid_input",
                f"The text has {len(text):,} characters. Send at most {MAX_CHARACTERS:,}.",
                field="text",
            )
        phonemize = self.g2p.phonemizer(voice[0])
        found = [
            phonemes for phonemes in phoneme_chunks(text, phonemize) if self._is_audible(phonemes)
        ]
        if not found:
            raise InputRejected(
                "invalid_input", "The text has no word that can be spoken.", field="text"
            )
        return found

    def synthesize(self, chunks: list[str], voice: str) -> Iterator[NDArray[np.float32]]:
        """Samples `(n,)` of float32 at 24 kHz, one array per chunk.

        The network adds random noise for the breath of a voice. The seed is fixed, so the same text
        gives the same samples.
        """
        for phonemes in chunks:
            style = self.voices.style(voice, len(phonemes))
            with torch.random.fork_rng(), torch.inference_mode():
                torch.manual_seed(0)
                yield self._network(phonemes, style).float().cpu().numpy().reshape(-1)

    def _is_audible(self, phonemes: str) -> bool:
        """Whether a chunk has a sound, not only punctuation."""
        return any(sign.isalpha() and sign in self._network.vocab for sign in phonemes)
