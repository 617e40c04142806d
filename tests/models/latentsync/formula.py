"""Networks with weights by formula, as in the golden file of LatentSync, and inputs for them."""

from __future__ import annotations

import numpy as np
import torch
from diffusers import AutoencoderKL

from models.latentsync import audio, unet
from tests.models.golden import figures

FACTS = figures.read("latentsync")
SEED = 3
_KEPT = ("pos_encoder.pe", "positional_embedding")


def filled(shapes, gain=0.6, *, kept=None):
    """A state by formula; `shapes` are lines `name 1x2x3`, `kept` the constant tensors."""
    state = {}
    for k, line in enumerate(sorted(shapes)):
        name, _, sizes = line.partition(" ")
        shape = tuple(map(int, sizes.split("x")))
        state[name] = kept[name] if name.endswith(_KEPT) else tensor(name, shape, k, gain)
    return state


def tensor(name, shape, k, gain):
    n = int(np.prod(shape))
    values = figures.u(n, k, SEED)
    if len(shape) >= 3:
        values = values * gain * np.sqrt(6 / (n / shape[0]))
    elif len(shape) == 2:
        values = values * gain * np.sqrt(3 / shape[1])
    else:
        values = (1 if name.endswith("weight") else 0) + 0.1 * values
    return torch.from_numpy(values.reshape(shape)).float()


def positions(lines):
    """The constant tensors of a UNet: a sinusoid for each frame, sine and cosine in turns."""
    found = {}
    for line in lines:
        name, _, sizes = line.partition(" ")
        if name.endswith(_KEPT):
            _, length, width = map(int, sizes.split("x"))
            angles = np.arange(length)[:, None] * 10_000 ** -(np.arange(0, width, 2) / width)
            table = np.stack((np.sin(angles), np.cos(angles)), axis=-1).reshape(1, length, width)
            found[name] = torch.from_numpy(table).float()
    return found


def unet_state(lines=None):
    lines = lines or FACTS["unet"]["keys"]
    return filled(lines, kept=positions(lines))


def tiny_unet():
    return unet.from_original(FACTS["unet"]["config"], unet_state())


def tiny_vae():
    facts = FACTS["end_to_end"]["vae"]
    vae = AutoencoderKL(**facts["config"]).eval()
    lines = [f"{name} {'x'.join(map(str, t.shape))}" for name, t in vae.state_dict().items()]
    vae.load_state_dict(filled(lines))
    return vae


def encoder_state():
    facts = FACTS["audio"]["encoder"]
    positional = sinusoids(facts["n_audio_ctx"], facts["n_audio_state"])
    return filled(facts["keys"], kept={"positional_embedding": positional})


def tiny_encoder():
    return audio.encoder_from_original(FACTS["audio"]["encoder"], encoder_state())


def sinusoids(length, width):
    """Whisper's positions: all sines, then all cosines."""
    scales = np.exp(-np.log(10_000) / (width // 2 - 1) * np.arange(width // 2))
    angles = np.arange(length)[:, None] * scales
    return torch.from_numpy(np.concatenate((np.sin(angles), np.cos(angles)), axis=1)).float()


def array(facts):
    return torch.from_numpy(figures.array(facts, SEED))


def smooth_frame(height, width, k):
    """A frame with structure, uint8 `(height, width, 3)`."""
    y = ((np.arange(height) + 0.5) / height)[:, None, None]
    x = ((np.arange(width) + 0.5) / width)[None, :, None]
    c = np.arange(3)
    values = 127.5 + 30 * figures.u(height * width * 3, k, SEED).reshape(height, width, 3)
    values += (
        90
        * np.sin(2 * np.pi * ((1 + c) * y + 0.13 * SEED))
        * np.cos(2 * np.pi * ((1.5 + 0.5 * c) * x + 0.07 * SEED))
    )
    return np.clip(np.floor(values + 0.5), 0, 255).astype(np.uint8)
