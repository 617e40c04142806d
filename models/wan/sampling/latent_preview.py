"""What a video under way will look like: a latent frame as a small picture, without the VAE.

A latent pixel is nearly a linear mix of its colors. The mix is fitted, once a job, to the job's
own first picture: the VAE encodes it small, and least squares find what leads from its latents
back to its pixels. So it holds for any VAE and needs no table of numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np
import torch

from models.video import still, thumbnail

if TYPE_CHECKING:
    from diffusers import WanImageToVideoPipeline
    from numpy.typing import NDArray
    from torch import Tensor

SIDE: Final = 20
"""Latent pixels of the longer side of the picture that the mix is fitted to."""
_RIDGE: Final = 0.02
"""How strongly small weights are preferred, as a share of the samples: at most 400, for 16
channels, or for the 48 of the 5B."""
_SMALLEST: Final = 240
"""A glimpse is enlarged to this longer side: a page shows 60 latent pixels as blocks otherwise."""


class Glimpse:
    """Draws latents of one job. `picture` is its first frame, `(height, width, 3)` BGR."""

    def __init__(self, pipe: WanImageToVideoPipeline, picture: NDArray[np.uint8]) -> None:
        self._pipe: Any = pipe
        self._picture = picture
        self._mix: NDArray[np.float32] | None = None

    def jpeg(self, latents: Tensor) -> bytes:
        """The frame in the middle of latents `(1, channels, frames, height, width)`."""
        if self._mix is None:
            self._mix = self._fitted()
        middle = latents[0, :, latents.shape[2] // 2].float().cpu().numpy()
        frame = _mixed(middle, self._mix)
        scale = max(1, _SMALLEST // max(frame.shape[:2]))
        large = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        return thumbnail.jpeg(np.asarray(large, dtype=np.uint8))

    def _fitted(self) -> NDArray[np.float32]:
        """The mix `(channels + 1, 3)` from latents and a constant to BGR of 0 to 1."""
        scale = self._pipe.vae_scale_factor_spatial
        small = _on_grid(still.shrunk(self._picture, SIDE * scale), 2 * scale)
        latents = self._encoded(small)
        height, width = latents.shape[1:]
        seen = cv2.resize(small, (width, height), interpolation=cv2.INTER_AREA)
        colors = seen.reshape(-1, 3).astype(np.float32) / np.float32(255)
        return least_squares(_samples(latents), colors)

    @torch.no_grad()
    def _encoded(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Its latents `(channels, height, width)`, normalized as the denoiser's are."""
        vae = self._pipe.vae
        rgb = np.ascontiguousarray(picture[None, None, :, :, ::-1].transpose(0, 4, 1, 2, 3))
        pixels = torch.from_numpy(rgb).to(vae.device, vae.dtype) / 127.5 - 1
        mean, std = statistics(vae)
        latents: Tensor = (vae.encode(pixels).latent_dist.mode() - mean) / std
        made: NDArray[np.float32] = latents[0, :, 0].float().cpu().numpy()
        return made


def statistics(vae: Any) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each latent channel, `(1, channels, 1, 1, 1)`, where the VAE lies."""
    shape = 1, vae.config.z_dim, 1, 1, 1
    mean, std = (
        torch.tensor(values, device=vae.device, dtype=vae.dtype).view(shape)
        for values in (vae.config.latents_mean, vae.config.latents_std)
    )
    return mean, std


def least_squares(samples: NDArray[np.float32], colors: NDArray[np.float32]) -> NDArray[np.float32]:
    """What leads from samples `(n, channels)` to colors `(n, 3)`: a mix, and a constant below it.

    A channel that hardly varies in this picture is not blown up to explain its colors.
    """
    spread = samples.std(axis=0)
    spread = np.maximum(spread, 0.1 * spread.max() + 1e-6)
    about = (samples - samples.mean(axis=0)) / spread
    normal = about.T @ about + _RIDGE * len(about) * np.eye(about.shape[1])
    mix = np.linalg.solve(normal, about.T @ (colors - colors.mean(axis=0))) / spread[:, None]
    constant = colors.mean(axis=0) - samples.mean(axis=0) @ mix
    return np.vstack([mix, constant]).astype(np.float32)


def _mixed(latents: NDArray[np.float32], mix: NDArray[np.float32]) -> NDArray[np.uint8]:
    height, width = latents.shape[1:]
    colors = (_samples(latents) @ mix[:-1] + mix[-1]).reshape(height, width, 3)
    made: NDArray[np.uint8] = (colors.clip(0, 1) * 255 + 0.5).astype(np.uint8)
    return made


def _samples(latents: NDArray[np.float32]) -> NDArray[np.float32]:
    return latents.reshape(len(latents), -1).T


def _on_grid(picture: NDArray[np.uint8], multiple: int) -> NDArray[np.uint8]:
    """Resized to sides that are multiples, so that each latent pixel has its own colors."""
    height, width = (max(multiple, side // multiple * multiple) for side in picture.shape[:2])
    small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.uint8)
