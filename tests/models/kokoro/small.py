"""A speaker of random weights, and the files that it lies in, free of the GPL-3 packages."""

from __future__ import annotations

import torch

from models.kokoro.synthesizer import Speaker
from models.kokoro.voices import STYLE, Voices

PHONEMES = "abcdefghijklmnopqrstuvwxyz .,!?…ˈ"


class SmallNetwork(torch.nn.Module):
    """60 samples a phoneme: a wave of a pitch of its own, colored by style and by noise."""

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


class Spelling:
    """Reads a text letter by letter, in every language alike."""

    def reader(self, language):
        return lambda text: "".join(sign for sign in text.lower() if sign in PHONEMES)

    def dictionary(self, language):
        return "spelling"


def small_speaker(folder):
    """What `Speaker.load` makes of a folder, in small."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return Speaker(SmallNetwork().eval(), Spelling(), Voices(folder / "voices"))


def write_voices(folder, *names):
    """Voices as they are published, of random numbers."""
    (folder / "voices").mkdir(parents=True)
    with torch.random.fork_rng():
        torch.manual_seed(4)
        for name in names:
            torch.save(torch.randn(510, 1, STYLE), folder / "voices" / f"{name}.pt")
    return folder
