"""Decodes latents to frames, a few at a time, so that they can be encoded meanwhile.

`AutoencoderKLWan.decode` computes the same frames in the same order, but keeps all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch
from diffusers.models.autoencoders.autoencoder_kl_wan import unpatchify

from models.output_checks import check_finite
from models.wan.sampling.latent_preview import latent_statistics

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

_UNPATCHIFY: Any = unpatchify

CHUNK: Final = 4
"""Frames of one latent frame, except for the first, which is one frame."""


def decode_frames(vae: Any, latents: Tensor) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames `(height, width, 3)` BGR of latents `(1, channels, n, height, width)`.

    With tiling the whole clip is decoded before the first frame: the VAE blends its tiles last.
    """
    tensor = _denormalize(vae, latents)
    for pixels in _decode_tiled(vae, tensor) if vae.use_tiling else _decode_streamed(vae, tensor):
        yield from _to_frames(pixels)


def _decode_streamed(vae: Any, latents: Tensor) -> Iterator[Tensor]:
    vae.clear_cache()
    try:
        for index in range(latents.shape[2]):
            yield _decode_one(vae, latents, index)
    finally:
        vae.clear_cache()


def _decode_tiled(vae: Any, latents: Tensor) -> Iterator[Tensor]:
    with torch.no_grad():
        pixels = vae.decode(latents, return_dict=False)[0]
    yield from pixels.split(CHUNK, dim=2)


@torch.no_grad()
def _decode_one(vae: Any, latents: Tensor, index: int) -> Tensor:
    """Decode one latent frame; the VAE's feature cache holds those before it."""
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
def _denormalize(vae: Any, latents: Tensor) -> Tensor:
    mean, std = latent_statistics(vae)
    return latents.to(vae.device, vae.dtype) / (1 / std) + mean


@torch.no_grad()
def _to_frames(pixels: Tensor) -> NDArray[np.uint8]:
    """Convert pixels `(1, 3, n, height, width)` in -1..1 to frames `(n, height, width, 3)` BGR."""
    check_finite(pixels, "the VAE")
    scaled = (pixels[0].clamp(-1, 1) / 2 + 0.5) * 255
    frames: NDArray[np.uint8] = (
        scaled.round().to(torch.uint8).flip(0).permute(1, 2, 3, 0).contiguous().cpu().numpy()
    )
    return frames
