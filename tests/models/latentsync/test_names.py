"""The names and signatures on which others build stay as they are."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch

from models.latentsync import audio, geometry, mask, sampling, unet
from tests.models.latentsync.formula import FACTS, encoder_state, tiny_unet, tiny_vae, unet_state

SIGNATURES = {
    unet.build: ["config"],
    unet.from_original: ["config", "state_dict"],
    unet.LatentSyncUNet.forward: ["self", "*sample", "*timestep", "*audio"],
    audio.encoder_from_original: ["dims", "state_dict"],
    audio.mel: ["samples"],
    audio.features: ["encoder", "samples", "*overlap_seconds=0"],
    audio.window_indices: ["rows", "frames", "fps"],
    audio.windows: ["features", "frames", "fps"],
    mask.keep_mask: ["size"],
    geometry.align: ["points", "size"],
    geometry.warp: ["frame", "matrix", "size"],
    geometry.restore: ["frame", "face", "matrix"],
    sampling.denoise: [
        *("unet", "vae", "*faces", "*windows", "*noise", "*mask", "*steps", "*guidance"),
        "*cache_interval=None",
    ],
    sampling.paste: ["vae", "latents", "faces", "mask"],
    sampling.chunks: ["frames", "overlap=0"],
}
"""Parameters in order; `*` marks those that are given by name."""

FRAMES, SIZE, SECONDS = 2, 128, 1


def written(function):
    """The parameters of a function as `SIGNATURES` has them."""
    found = []
    for parameter in inspect.signature(function).parameters.values():
        star = "*" if parameter.kind is parameter.KEYWORD_ONLY else ""
        empty = parameter.default is parameter.empty
        found.append(f"{star}{parameter.name}" + ("" if empty else f"={parameter.default}"))
    return found


@pytest.mark.parametrize("function", SIGNATURES, ids=lambda function: function.__qualname__)
def test_a_signature_stays(function):
    assert written(function) == SIGNATURES[function]


@pytest.fixture(scope="module")
def features():
    dims = FACTS["audio"]["encoder"]
    encoder = audio.encoder_from_original(dims, encoder_state())
    samples = np.sin(np.arange(SECONDS * audio.RATE) / 40).astype(np.float32)
    return audio.features(encoder, samples)


def test_sound_has_these_shapes(features):
    layers, width = FACTS["audio"]["encoder"]["n_audio_layer"], features.shape[2]

    assert audio.mel(np.zeros(16_000, np.float32)).shape == (80, 100)
    assert features.shape == (50 * SECONDS, layers + 1, FACTS["audio"]["encoder"]["n_audio_state"])
    assert audio.window_indices(len(features), 7, 25).shape == (7, 10)
    assert audio.windows(features, 7, 25).shape == (7, 10 * (layers + 1), width)


@pytest.mark.parametrize("size", [64, 100, 256, 512])
def test_a_mask_of_any_size_keeps_the_brows_and_repaints_the_mouth(size):
    keep = mask.keep_mask(size)

    assert keep.shape == (size, size)
    assert (keep[0, 0], keep[size * 3 // 4, size // 2]) == (1, 0)


def test_a_face_is_aligned_and_put_back_in_these_shapes():
    frame = np.full((240, 200, 3), 90, np.uint8)

    matrix = geometry.align([[70, 90], [130, 90], [100, 120]], SIZE)
    face = geometry.warp(frame, matrix, SIZE)
    restored = geometry.restore(frame, sampling.pixels(face), matrix)

    assert (matrix.shape, matrix.dtype) == ((2, 3), np.float64)
    assert (face.shape, face.dtype) == ((SIZE, SIZE, 3), np.uint8)
    assert (restored.shape, restored.dtype) == (frame.shape, np.uint8)


def test_a_network_takes_its_inputs_by_name_and_missing_keys_have_the_published_values():
    state = unet_state()
    network = unet.from_original(FACTS["unet"]["config"], state)
    width = network.network.config.cross_attention_dim

    with torch.inference_mode():
        noise = network(
            sample=torch.zeros(1, 13, FRAMES, 16, 16),
            timestep=1,
            audio=torch.zeros(FRAMES, 50, width),
        )

    assert noise.shape == (1, 4, FRAMES, 16, 16)
    with torch.device("meta"):
        config = unet.build({"cross_attention_dim": 768}).network.config
    assert (config.in_channels, config.cross_attention_dim) == (13, 768)


@pytest.mark.parametrize("cache_interval", [None, 1, 2])
def test_a_chunk_is_denoised_and_pasted_in_these_shapes(cache_interval):
    faces = np.full((FRAMES, SIZE, SIZE, 3), 128, np.uint8)
    keep, network, vae = mask.keep_mask(SIZE), tiny_unet(), tiny_vae()
    width = network.network.config.cross_attention_dim

    latents = sampling.denoise(
        network,
        vae,
        faces=faces,
        windows=np.ones((FRAMES, 50, width), np.float32),
        noise=torch.randn(1, 4, 1, SIZE // 8, SIZE // 8),
        mask=keep,
        steps=2,
        guidance=1.5,
        cache_interval=cache_interval,
    )

    assert latents.shape == (1, 4, FRAMES, SIZE // 8, SIZE // 8)
    assert sampling.paste(vae, latents, faces, keep).shape == (FRAMES, 3, SIZE, SIZE)


def test_chunks_are_pairs_of_frames():
    assert sampling.chunks(20) == [(0, 16), (16, 20)]
    assert sampling.chunks(20, overlap=4) == [(0, 16), (4, 20)]
