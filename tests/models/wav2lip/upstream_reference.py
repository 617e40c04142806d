"""The authors' inference script by its formulas: a picture, a box and a voice to finished frames.

Nothing of the code under test is used but the generator, whose own figures are checked elsewhere.
Weights, picture and voice are made by formula. To write the reference again:

    python -m tests.models.wav2lip.upstream_reference
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import torch

from models.wav2lip.network import Wav2Lip
from tests.models.golden import figures

REFERENCE = Path(figures.__file__).with_name("wav2lip_upstream.json")
FPS, SECONDS = 25, 2.6
BOX = {"top": 40, "bottom": 171, "left": 55, "right": 165}
POINTS = [(y, x) for y in range(35, 180, 12) for x in range(50, 172, 15)]
"""Pixels, as row and column, whose values are stored: in the box and around it."""


def picture():
    """Smooth waves with a little noise, `(220, 240, 3)`."""
    y, x = np.mgrid[:220, :240] / 220.0
    waves = [
        np.sin(2 * np.pi * ((1 + c) * y + 0.1)) * np.cos(2 * np.pi * 1.5 * x) for c in (0, 1, 2)
    ]
    noise = figures.u(220 * 240 * 3, 3001).reshape(220, 240, 3)
    return np.clip(127.5 + 90 * np.dstack(waves) + 6 * noise, 0, 255).astype(np.uint8)


def samples():
    """The voice as a WAV of 16 bits has it."""
    return (figures.waveform(SECONDS) * 32_000).astype("<i2")


def network():
    facts = figures.read("wav2lip")["generator"]
    generator = Wav2Lip()
    generator.load_state_dict(figures.filled(generator.state_dict(), gain=facts["fill"]["gain"]))
    return generator.eval().requires_grad_(False)


def frames():
    """The finished frames, one for each window of the sound."""
    frame = picture()
    rows, columns = slice(BOX["top"], BOX["bottom"]), slice(BOX["left"], BOX["right"])
    face = cv2.resize(frame[rows, columns], (96, 96))
    masked = face.copy()
    masked[48:] = 0
    pair = np.concatenate((masked, face), axis=2).transpose(2, 0, 1)[None] / 255.0
    generator = network()
    for window in windows(mel(samples() / 32768.0)):
        with torch.inference_mode():
            sound = torch.from_numpy(window[None, None].astype(np.float32))
            made = generator(sound, torch.from_numpy(pair.astype(np.float32)))[0]
        image = (made.numpy().transpose(1, 2, 0) * 255.0).astype(np.uint8)
        finished = frame.copy()
        size = BOX["right"] - BOX["left"], BOX["bottom"] - BOX["top"]
        finished[rows, columns] = cv2.resize(image, size)
        yield finished


def windows(spectrogram):
    """Windows of 16 columns; the last 16 columns end the loop."""
    columns = spectrogram.shape[1]
    frame = 0
    while (start := int(frame * 80.0 / FPS)) + 16 <= columns:
        yield spectrogram[:, start : start + 16]
        frame += 1
    yield spectrogram[:, -16:]


def mel(sound):
    """80 bands of 55 to 7600 Hz, from -4 to 4: the fact sheet's front end, in one piece."""
    emphasized = np.append(sound[0], sound[1:] - 0.97 * sound[:-1])
    padded = np.pad(emphasized, 400, mode="reflect")
    count = 1 + len(sound) // 200
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(800) / 800)
    parts = np.stack([padded[200 * n : 200 * n + 800] * hann for n in range(count)], axis=1)
    magnitudes = np.abs(np.fft.rfft(parts, axis=0))
    decibels = 20 * np.log10(np.maximum(1e-5, _filters() @ magnitudes)) - 20
    return np.clip(8 * (decibels + 100) / 100 - 4, -4, 4)


def _filters():
    """Triangles on Slaney's scale, each divided by half its width in Hz."""
    low, high = (_to_mel(hertz) for hertz in (55.0, 7600.0))
    edges = [_to_hertz(low + (high - low) * n / 81) for n in range(82)]
    bins = np.arange(401) * 20.0
    rows = []
    for left, middle, right in zip(edges, edges[1:], edges[2:]):  # noqa: B905  # windows of three
        up, down = (bins - left) / (middle - left), (right - bins) / (right - middle)
        rows.append(np.clip(np.minimum(up, down), 0, None) * 2 / (right - left))
    return np.array(rows)


def _to_mel(hertz):
    return hertz * 0.015 if hertz < 1000 else 15 + 27 * np.log(hertz / 1000) / np.log(6.4)


def _to_hertz(number):
    return number / 0.015 if number < 15 else 1000 * 6.4 ** ((number - 15) / 27)


def main():
    """Write the values of some pixels of each frame."""
    rows, columns = np.array(POINTS).T
    values = [frame[rows, columns].ravel().tolist() for frame in frames()]
    REFERENCE.write_text(json.dumps({"frames": values}, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
