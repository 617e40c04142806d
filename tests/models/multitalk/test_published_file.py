"""The layers in full size are those of the published file, by its exact size in bytes."""

from __future__ import annotations

import json
from math import prod

import torch
from diffusers import WanTransformer3DModel

from models.multitalk.denoiser import add_audio_layers

PUBLISHED_BYTES = 9_947_889_040
"""Of `multitalk.safetensors`, as its manifest states."""
BYTES = {"F32": 4, "BF16": 2}


def safetensors_bytes(types, shapes):
    """Size of a file of these tensors: its header, sorted by type and name, and its values."""
    header, end = {}, 0
    for name in sorted(shapes, key=lambda name: (-BYTES[types[name]], name)):
        start, end = end, end + prod(shapes[name]) * BYTES[types[name]]
        header[name] = {
            "dtype": types[name],
            "shape": shapes[name],
            "data_offsets": [start, end],
        }
    length = len(json.dumps(header, separators=(",", ":")))
    return 8 + length + -length % 8 + end


def test_float32_with_the_norms_of_the_blocks_in_bfloat16_has_the_published_size():
    with torch.device("meta"):
        base = WanTransformer3DModel(image_dim=1280, added_kv_proj_dim=5120, in_channels=36)
    shapes = add_audio_layers(base).audio_shapes

    types = {name: "BF16" if ".norm_x." in name else "F32" for name in shapes}

    assert len(shapes) == 10 + 40 * 8
    assert safetensors_bytes(types, shapes) == PUBLISHED_BYTES
