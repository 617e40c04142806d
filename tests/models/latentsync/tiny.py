"""A tiny LatentSync: every part of the real one, with small layers and weights by formula.

Folder and file names are those of `weights.toml`.
"""

from __future__ import annotations

import json
from functools import partial

import torch
from diffusers import AutoencoderKL

from models.kokoro.tts import SpeechSynthesis
from models.latentsync.loading.version import Version
from models.latentsync.runner import Runner
from tests.models.kokoro.small import small_synthesizer, write_voices
from tests.models.latentsync.formula import FACTS, encoder_state, filled, unet_state
from tests.models.latentsync.test_unet import lines, published_shapes

CONFIG = {"block_out_channels": [32, 32, 32, 32], "layers_per_block": 1, "cross_attention_dim": 32}
SMALL = Version("small", 128, "")
"""Faces of 128 pixels: fast enough for whole runs."""


def tiny_weights(folder):
    """Write all files into a folder and return it."""
    for name in ("unet", "vae", "whisper"):
        (folder / name).mkdir(parents=True)
    (folder / "unet/config.json").write_text(json.dumps(CONFIG))
    state = unet_state(lines(published_shapes(CONFIG)))
    torch.save({"global_step": 1, "state_dict": state}, folder / "unet/latentsync_unet.pt")
    _save_vae(folder / "vae")
    dims = {name: FACTS["audio"]["encoder"][name] for name in FACTS["audio"]["encoder"]}
    dims = {name: size for name, size in dims.items() if name.startswith("n_")}
    whisper = {f"encoder.{name}": tensor.half() for name, tensor in encoder_state().items()}
    content = {"dims": dims, "model_state_dict": whisper}
    torch.save(content, folder / "whisper/tiny.pt")
    return folder


small = partial(Runner, version=SMALL)
"""With smaller faces, which take a quarter of the time."""


class SpeakingRunner(Runner):
    """With smaller faces, and a small speech synthesizer."""

    def __init__(self, weights):
        super().__init__(weights, SMALL)
        self._speech = SpeechSynthesis(weights / "speech", small_synthesizer)


def tiny_speaking_weights(folder):
    """Write all files of a speaking runner into a folder and return it."""
    write_voices(tiny_weights(folder) / "speech", "af_heart")
    return folder


def _save_vae(folder):
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(8, 8, 8, 8),
        layers_per_block=1,
        norm_num_groups=4,
    )
    shapes = [f"{name} {'x'.join(map(str, t.shape))}" for name, t in vae.state_dict().items()]
    vae.load_state_dict(filled(shapes))
    vae.save_pretrained(folder)
