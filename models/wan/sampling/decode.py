"""Latents back into pictures, a few frames at a time: each is on its way while the next is made.

`AutoencoderKLWan.decode` makes the same frames in the same order, and keeps them all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch
from diffusers.models.autoencoders.autoencoder_kl_wan import unpatchify

from models.wan.sampling.latent_preview import statistics

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

_UNPATCHIFY: Any = unpatchify

CHUNK: Final = 4
"""Frames of one latent frame, but for the first, which is one frame."""


def frames(vae: Any, latents: Tensor) -> Iterator[NDArray[np.uint8]]:
    """The frames `(height, width, 3)` BGR of latents `(1, channels, n, height, width)`.

    With tiles the whole clip is made before its first frame comes: the VAE blends tiles at last.
    """
    tensor = _denormalized(vae, latents)
    for chunk in _tiled(vae, tensor) if vae.use_tiling else _streamed(vae, tensor):
        yield from _pictures(chunk)


def _streamed(vae: Any, latents: Tensor) -> Iterator[Tensor]:
    vae.clear_cache()
    try:
        for index in range(latents.shape[2]):
            yield _decoded(vae, latents, index)
    finally:
        vae.clear_cache()


def _tiled(vae: Any, latents: Tensor) -> Iterator[Tensor]:
    with torch.no_grad():
        pixels = vae.decode(latents, return_dict=False)[0]
    yield from pixels.split(CHUNK, dim=2)


@torch.no_grad()
def _decoded(vae: Any, latents: Tensor, index: int) -> Tensor:
    """The frames of one latent frame; the VAE remembers what it saw of those before."""
    vae._conv_idx = [0]
    pixels: Tensor = vae.decoder(
        vae.post_quant_conv(latents[:, :, index : index + 1]),
        feat_cache=vae._feat_map,
        feat_idx=vae._conv_idx,
        first_chunk=index == 0,
    )
    patch = vae.config.patch_size
    return pixels if patch is None else _UNPATCHIFY(pixels, patch_size=patch)


@torch.no_grad()
def _denormalized(vae: Any, latents: Tensor) -> Tensor:
    mean, std = statistics(vae)
    return latents.to(vae.device, vae.dtype) / (1 / std) + mean


@torch.no_grad()
def _pictures(pixels: Tensor) -> NDArray[np.uint8]:
    """Frames `(n, height, width, 3)` BGR of pixels `(1, 3, n, height, width)` of -1 to 1."""
    shares = (pixels[0].clamp(-1, 1) / 2 + 0.5) * 255
    made: NDArray[np.uint8] = (
        shares.round().to(torch.uint8).flip(0).permute(1, 2, 3, 0).contiguous().cpu().numpy()
    )
    return made
