"""A preview shows the image of the latents, without the VAE's decoder."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from models.wan.loading.pipeline import load
from models.wan.sampling.latent_preview import LatentPreview, latent_statistics, least_squares
from models.wan.variants import WAN2_2_I2V, WAN2_2_TI2V_5B
from tests.models.wan.running import sample_image
from tests.models.wan.tiny import tiny_weights


@pytest.fixture(scope="module", params=[("wan2.2", WAN2_2_I2V), ("ti2v", WAN2_2_TI2V_5B)])
def pipe(request, tmp_path_factory):
    kind, variant = request.param
    return load(tiny_weights(tmp_path_factory.mktemp(kind), kind), variant).pipe


def latents_of(pipe, image):
    """Three latent frames; the middle one is the image."""
    rgb = torch.from_numpy(image[:, :, ::-1].copy()).permute(2, 0, 1)[None, :, None]
    mean, std = latent_statistics(pipe.vae)
    with torch.no_grad():
        latents = pipe.vae.encode(rgb.float() / 127.5 - 1).latent_dist.mode()
    shown = (latents - mean) / std
    return torch.cat([torch.zeros_like(shown), shown, torch.zeros_like(shown)], dim=2)


def test_a_preview_of_the_first_image_resembles_it(pipe):
    image = sample_image(256, 128)

    jpeg = LatentPreview(pipe, image).jpeg(latents_of(pipe, image))

    shown = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    height, width = shown.shape[:2]
    wanted = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    error = np.abs(shown.astype(int) - wanted).mean()
    assert width == 2 * height
    plain = np.abs(wanted - wanted.mean(axis=(0, 1))).mean()
    assert error < 0.97 * plain  # a VAE of random weights keeps little of an image


def mixed_latents(colors):
    """Latents of sixteen channels: linear mixes of the colors, plus noise."""
    random = np.random.default_rng(4)
    latents = (colors - 0.5) @ random.normal(size=(3, 16)) + random.normal(size=16)
    return (latents + random.normal(scale=0.05, size=latents.shape)).astype(np.float32)


@pytest.mark.parametrize("contrast", [1.0, 0.1])
def test_the_fit_recovers_colors_from_latents(contrast):
    random = np.random.default_rng(5)
    image = (0.5 + contrast * (random.random((400, 3)) - 0.5)).astype(np.float32)
    other = random.random((400, 3)).astype(np.float32)

    projection = least_squares(mixed_latents(image), image)
    found = mixed_latents(other) @ projection[:-1] + projection[-1]

    assert np.abs(found - other).mean() < (0.03 if contrast == 1 else 0.15)


def test_a_plain_image_gives_a_plain_preview_without_noise():
    plain = np.full((400, 3), 0.7, np.float32)

    projection = least_squares(mixed_latents(plain), plain)

    assert np.allclose(mixed_latents(plain) @ projection[:-1] + projection[-1], 0.7, atol=0.01)


def test_different_latents_give_different_previews(pipe):
    preview = LatentPreview(pipe, sample_image(256, 128))

    first = preview.jpeg(latents_of(pipe, sample_image(256, 128)))
    second = preview.jpeg(latents_of(pipe, sample_image(256, 128, turned=True)))

    assert first != second
    assert max(len(first), len(second)) < 20_000
