"""What a clip starts from: given frames as latents with their mask, and CLIP's view of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from PIL import Image

from models.wan.sampling.latent_preview import latent_statistics
from models.wan.variants import TEMPORAL_SCALE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    Frame = NDArray[np.uint8]


@dataclass(frozen=True)
class Conditioning:
    """What the denoiser is given of a clip beside text and voice."""

    condition: Tensor
    """Mask and latents of the given frames, `(1, 20, f, h, w)`."""
    image_embeds: Tensor
    """CLIP's tokens of the last given frame."""
    motion: Tensor | None
    """Latents `(16, m, h, w)` of the frames before the clip, which its first ones must show."""


def condition(
    pipe: Any, given: Sequence[Frame], motion: Sequence[Frame], frames: int
) -> Conditioning:
    """Condition a clip of so many frames on its given first frames, `(height, width, 3)` BGR.

    `motion` are the frames that are written into its first latents: 4k + 1, or none.
    """
    latents = encode(pipe.vae, given, frames)
    mask = _mask(latents, len(given))
    picture = Image.fromarray(cv2.cvtColor(given[-1], cv2.COLOR_BGR2RGB))
    with torch.no_grad():
        embeds = pipe.encode_image(picture, pipe.vae.device)
    return Conditioning(
        condition=torch.cat([mask, latents], dim=1),
        image_embeds=embeds,
        motion=_motion(pipe.vae, latents, given, motion),
    )


def _motion(
    vae: Any, latents: Tensor, given: Sequence[Frame], motion: Sequence[Frame]
) -> Tensor | None:
    """Latents of the frames before a clip. The VAE looks back only: given frames are encoded."""
    if not motion:
        return None
    if motion is given:
        return latents[0, :, : (len(given) - 1) // TEMPORAL_SCALE + 1]
    return encode(vae, motion, len(motion))[0]


@torch.no_grad()
def encode(vae: Any, given: Sequence[Frame], frames: int) -> Tensor:
    """Normalized latents `(1, 16, f, h, w)` of a clip that is gray after the given frames."""
    height, width = given[0].shape[:2]
    pixels = torch.zeros(1, 3, frames, height, width, device=vae.device, dtype=vae.dtype)
    for number, frame in enumerate(given):
        pixels[0, :, number] = to_pixels(frame).to(pixels)
    mean, std = latent_statistics(vae)
    latents: Tensor = (vae.encode(pixels).latent_dist.mode() - mean) / std
    return latents.float()


def to_pixels(frame: Frame) -> Tensor:
    """A BGR frame `(height, width, 3)` as RGB `(3, height, width)` in -1..1."""
    rgb = np.ascontiguousarray(frame[..., ::-1].transpose(2, 0, 1))
    return torch.from_numpy(rgb).float() / 127.5 - 1


def _mask(latents: Tensor, given: int) -> Tensor:
    """`(1, 4, f, h, w)`: 1 for given frames; the first latent frame is the first frame, 4 times."""
    _, _, frames, height, width = latents.shape
    known = torch.zeros(frames, TEMPORAL_SCALE, device=latents.device)
    known.view(-1)[: TEMPORAL_SCALE + given - 1] = 1
    shown = known.T[None, :, :, None, None]
    return shown.expand(1, TEMPORAL_SCALE, frames, height, width)
