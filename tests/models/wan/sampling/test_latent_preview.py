"""A preview shows what is there, without the VAE's decoder."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from models.wan.loading.pipeline import load
from models.wan.sampling.latent_preview import Glimpse, least_squares, statistics
from models.wan.variants import WAN2_2_I2V, WAN2_2_TI2V_5B
from tests.models.wan.running import ramp
from tests.models.wan.tiny import tiny_weights


@pytest.fixture(scope="module", params=[("wan2.2", WAN2_2_I2V), ("ti2v", WAN2_2_TI2V_5B)])
def pipe(request, tmp_path_factory):
    kind, variant = request.param
    return load(tiny_weights(tmp_path_factory.mktemp(kind), kind), variant).pipe


def latents_of(pipe, picture):
    """Three latent frames, the middle one showing the picture."""
    rgb = torch.from_numpy(picture[:, :, ::-1].copy()).permute(2, 0, 1)[None, :, None]
    mean, std = statistics(pipe.vae)
    with torch.no_grad():
        latents = pipe.vae.encode(rgb.float() / 127.5 - 1).latent_dist.mode()
    shown = (latents - mean) / std
    return torch.cat([torch.zeros_like(shown), shown, torch.zeros_like(shown)], dim=2)


def test_a_glimpse_of_the_first_picture_looks_like_it(pipe):
    picture = ramp(256, 128)

    jpeg = Glimpse(pipe, picture).jpeg(latents_of(pipe, picture))

    shown = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    height, width = shown.shape[:2]
    wanted = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    error = np.abs(shown.astype(int) - wanted).mean()
    assert width == 2 * height
    plain = np.abs(wanted - wanted.mean(axis=(0, 1))).mean()
    assert error < 0.97 * plain  # a VAE of random weights keeps little of a picture


def mixed_up(colors):
    """Latents of sixteen channels that the colors decide, and some that mean nothing."""
    random = np.random.default_rng(4)
    latents = (colors - 0.5) @ random.normal(size=(3, 16)) + random.normal(size=16)
    return (latents + random.normal(scale=0.05, size=latents.shape)).astype(np.float32)


@pytest.mark.parametrize("contrast", [1.0, 0.1])
def test_the_fit_finds_the_colors_behind_latents(contrast):
    random = np.random.default_rng(5)
    picture = (0.5 + contrast * (random.random((400, 3)) - 0.5)).astype(np.float32)
    other = random.random((400, 3)).astype(np.float32)

    mix = least_squares(mixed_up(picture), picture)
    found = mixed_up(other) @ mix[:-1] + mix[-1]

    assert np.abs(found - other).mean() < (0.03 if contrast == 1 else 0.15)


def test_a_plain_picture_gives_a_plain_glimpse_and_no_noise():
    plain = np.full((400, 3), 0.7, np.float32)

    mix = least_squares(mixed_up(plain), plain)

    assert np.allclose(mixed_up(plain) @ mix[:-1] + mix[-1], 0.7, atol=0.01)


def test_other_latents_give_another_picture(pipe):
    glimpse = Glimpse(pipe, ramp(256, 128))

    first = glimpse.jpeg(latents_of(pipe, ramp(256, 128)))
    second = glimpse.jpeg(latents_of(pipe, ramp(256, 128, turned=True)))

    assert first != second
    assert max(len(first), len(second)) < 20_000
