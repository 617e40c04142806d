"""Previews of a running job: a latent frame as a small image, without the VAE's decoder.

A latent pixel is nearly a linear mix of its colors. That mix is fitted once for each job to the
job's own first image: the VAE encodes it at a small size, and least squares find the projection
from its latents back to its pixels. It works for any VAE and needs no table of numbers.
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

FIT_SIDE: Final = 20
"""Longer side, in latent pixels, of the image that the projection is fitted to."""
_RIDGE: Final = 0.02
"""Ridge regularization, as a share of the number of samples: at most 400, for 16 channels, or 48
with the 5B."""
_MIN_SIDE: Final = 240
"""Previews are enlarged to this longer side: a page would show 60 latent pixels as blocks."""


class LatentPreview:
    """Draws previews of one job. `image` is its first frame, `(height, width, 3)` BGR."""

    def __init__(self, pipe: WanImageToVideoPipeline, image: NDArray[np.uint8]) -> None:
        self._pipe: Any = pipe
        self._image = image
        self._projection: NDArray[np.float32] | None = None

    def jpeg(self, latents: Tensor) -> bytes:
        """The middle frame of latents `(1, channels, frames, height, width)` as a JPEG."""
        if self._projection is None:
            self._projection = self._fit()
        middle = latents[0, :, latents.shape[2] // 2].float().cpu().numpy()
        frame = _project(middle, self._projection)
        scale = max(1, _MIN_SIDE // max(frame.shape[:2]))
        large = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        return thumbnail.jpeg(np.asarray(large, dtype=np.uint8))

    def _fit(self) -> NDArray[np.float32]:
        """The projection `(channels + 1, 3)` from latents and a constant to BGR in 0..1."""
        scale = self._pipe.vae_scale_factor_spatial
        small = _resize_to_multiple(still.downscale(self._image, FIT_SIDE * scale), 2 * scale)
        latents = self._encode(small)
        height, width = latents.shape[1:]
        image = cv2.resize(small, (width, height), interpolation=cv2.INTER_AREA)
        colors = image.reshape(-1, 3).astype(np.float32) / np.float32(255)
        return least_squares(_samples(latents), colors)

    @torch.no_grad()
    def _encode(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Encode to latents `(channels, height, width)`, normalized like the denoiser's."""
        vae = self._pipe.vae
        rgb = np.ascontiguousarray(image[None, None, :, :, ::-1].transpose(0, 4, 1, 2, 3))
        pixels = torch.from_numpy(rgb).to(vae.device, vae.dtype) / 127.5 - 1
        mean, std = latent_statistics(vae)
        latents: Tensor = (vae.encode(pixels).latent_dist.mode() - mean) / std
        encoded: NDArray[np.float32] = latents[0, :, 0].float().cpu().numpy()
        return encoded


def latent_statistics(vae: Any) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each latent channel, `(1, channels, 1, 1, 1)`, on its device.

    The values are those of the VAE's config.
    """
    shape = 1, vae.config.z_dim, 1, 1, 1
    mean, std = (
        torch.tensor(values, device=vae.device, dtype=vae.dtype).view(shape)
        for values in (vae.config.latents_mean, vae.config.latents_std)
    )
    return mean, std


def least_squares(samples: NDArray[np.float32], colors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fit samples `(n, channels)` to colors `(n, 3)`; returns weights, and a constant as last row.

    A channel with little variance in this image gets no large weight to explain its colors.
    """
    spread = samples.std(axis=0)
    spread = np.maximum(spread, 0.1 * spread.max() + 1e-6)
    standardized = (samples - samples.mean(axis=0)) / spread
    ridge = _RIDGE * len(standardized) * np.eye(standardized.shape[1])
    normal = standardized.T @ standardized + ridge
    right_side = standardized.T @ (colors - colors.mean(axis=0))
    weights = np.linalg.solve(normal, right_side) / spread[:, None]
    constant = colors.mean(axis=0) - samples.mean(axis=0) @ weights
    return np.vstack([weights, constant]).astype(np.float32)


def _project(latents: NDArray[np.float32], projection: NDArray[np.float32]) -> NDArray[np.uint8]:
    height, width = latents.shape[1:]
    colors = (_samples(latents) @ projection[:-1] + projection[-1]).reshape(height, width, 3)
    image: NDArray[np.uint8] = (colors.clip(0, 1) * 255 + 0.5).astype(np.uint8)
    return image


def _samples(latents: NDArray[np.float32]) -> NDArray[np.float32]:
    return latents.reshape(len(latents), -1).T


def _resize_to_multiple(image: NDArray[np.uint8], multiple: int) -> NDArray[np.uint8]:
    """Resize to sides that are multiples, so that each latent pixel has its own colors."""
    height, width = (max(multiple, side // multiple * multiple) for side in image.shape[:2])
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.uint8)
