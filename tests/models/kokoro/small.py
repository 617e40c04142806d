"""A synthesizer with random weights and its voice files, without the GPL-3 packages."""

from __future__ import annotations

import torch

from models.kokoro.synthesizer import Synthesizer
from models.kokoro.voices import STYLE, Voices

PHONEMES = "abcdefghijklmnopqrstuvwxyz .,!?…ˈ"


class SmallNetwork(torch.nn.Module):
    """600 samples a phoneme: a wave with its own pitch, plus some style and noise."""

    def __init__(self):
        super().__init__()
        self.vocab = {sign: number for number, sign in enumerate(PHONEMES)}
        self.pitch = torch.nn.Embedding(len(PHONEMES), 1)
        self.color = torch.nn.Linear(STYLE, 1)

    def forward(self, phonemes, style):
        known = [self.vocab[sign] for sign in phonemes if sign in self.vocab]
        assert len(known) <= 510
        pitch = self.pitch(torch.tensor(known)).repeat_interleave(600, dim=0)[:, 0]
        wave = torch.sin(torch.cumsum(0.05 + 0.02 * pitch.abs(), 0)) * 0.5
        breath = torch.randn(len(wave)) * 0.01
        return wave + breath + 0.01 * self.color(style)[0]


class SpelledPhonemes:
    """Phonemizes a text letter by letter, in every language."""

    def phonemizer(self, language):
        return lambda text: "".join(sign for sign in text.lower() if sign in PHONEMES)

    def source(self, language):
        return "spelling"


def small_synthesizer(folder):
    """A small replacement of `Synthesizer.load`."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return Synthesizer(SmallNetwork().eval(), SpelledPhonemes(), Voices(folder / "voices"))


def write_voices(folder, *names):
    """Voices in the published format, with random numbers."""
    (folder / "voices").mkdir(parents=True)
    with torch.random.fork_rng():
        torch.manual_seed(4)
        for name in names:
            torch.save(torch.randn(510, 1, STYLE), folder / "voices" / f"{name}.pt")
    return folder
