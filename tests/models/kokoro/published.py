"""Kokoro's files in their published form, with random values; it needs the extra `speech`."""

from __future__ import annotations

import json

import torch

from models.kokoro import network
from tests.models.kokoro.small import write_voices

SIGNS = ' .,!?…:;—"()“”ˈˌːAIOQWYTabcdefhijklmnopqrstuvwxyzæçðøŋœɐɑɒɔəɚɛɜɡɣɪɹɾʃʊʌʎʒʔʤʧθᵊᵻβɲ'
CONFIG = {
    "istftnet": {
        "upsample_kernel_sizes": [20, 12],
        "upsample_rates": [10, 6],
        "gen_istft_hop_size": 5,
        "gen_istft_n_fft": 20,
        "resblock_dilation_sizes": [[1, 3, 5]] * 3,
        "resblock_kernel_sizes": [3, 7, 11],
        "upsample_initial_channel": 512,
    },
    "dropout": 0.2,
    "hidden_dim": 512,
    "max_dur": 4,
    "n_layer": 1,
    "n_mels": 80,
    "n_token": 178,
    "style_dim": 128,
    "text_encoder_kernel_size": 5,
    "plbert": {
        "hidden_size": 32,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 512,
        "num_hidden_layers": 1,
        "dropout": 0.1,
    },
    "vocab": {sign: number for number, sign in enumerate(SIGNS, start=1)},
}
"""Kokoro's own, with what may be smaller made so: `hidden_dim` and the decoder may not."""


def random_parts(folder):
    """Random values of the whole network, in the form of the published file."""
    (folder / "config.json").write_text(json.dumps(CONFIG))
    with torch.random.fork_rng():
        torch.manual_seed(6)
        state = network._create(folder / "config.json").state_dict()
    parts = {}
    for name, tensor in state.items():
        part, _, rest = name.partition(".")
        if not rest.endswith((".norm.weight", ".norm.bias")):
            parts.setdefault(part, {})[f"module.{rest}"] = tensor
    parts["bert"]["module.embeddings.position_ids"] = torch.arange(512)[None]
    return parts


def write_published(folder, parts, *voices):
    """Write all files of the manifest but the wheel."""
    (folder / "config.json").write_text(json.dumps(CONFIG))
    torch.save(parts, folder / "kokoro-v1_0.pth")
    return write_voices(folder, *voices)
