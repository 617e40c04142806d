"""One pass of MuseTalk's UNet, from latents of a masked face and audio to a new face.

There is neither noise nor a scheduler.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from models.errors import WeightsInvalid
from models.musetalk import audio, loading
from models.musetalk.face import face_crop
from models.musetalk.precision import AutoPrecision

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray
    from torch import Tensor

    from models.arrays import Frame


AUDIO_TOKENS: Final = 50
"""Audio tokens per frame: 10 steps of 5 layers."""


class MuseTalkNetwork:
    """The UNet and the autoencoder of one weights folder."""

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype) -> None:
        self._unet = AutoPrecision(loading.unet(folder / "unet", device, dtype), "UNet")
        self._vae = AutoPrecision(loading.vae(folder / "vae", device, dtype), "VAE")
        self._device = device
        self._scale = float(_config(self._vae).scaling_factor)
        self.width = int(_config(self._unet).cross_attention_dim)
        """Channels of what is audio_tokens."""
        encoding = audio.positional_encoding(AUDIO_TOKENS, self.width)
        self._encoding = torch.from_numpy(encoding).to(device)

    @torch.inference_mode()
    def encode(self, crops: Sequence[Frame]) -> Tensor:
        """Faces from `face_crop.crop_face` to latents `(B, 8, 32, 32)`: masked, then whole.

        They are the mode of the posterior, not a sample, so that results are reproducible. They are
        on the CPU, because a caller may keep many.
        """
        pairs = np.concatenate([face_crop.masked_and_whole(crop) for crop in crops])
        latents = self._vae(_encoded, torch.from_numpy(pairs).to(self._device)) * self._scale
        return latents.reshape(len(crops), -1, *latents.shape[2:]).cpu()

    @torch.inference_mode()
    def generate(self, latents: Tensor, features: NDArray[np.float32]) -> list[Frame]:
        """Speaking faces, BGR of 256 x 256, from latents and features `(B, 50, width)`."""
        audio_tokens = torch.from_numpy(features).to(self._device) + self._encoding
        predicted = self._unet(_predicted, latents.to(self._device), audio_tokens)
        faces = self._vae(_decoded, predicted / self._scale)
        pixels = (faces.float() / 2 + 0.5).clamp(0, 1).mul(255).round().to(torch.uint8)
        return list(pixels.permute(0, 2, 3, 1).flip(3).cpu().numpy())

    @property
    def precision(self) -> str:
        """The number format of the autoencoder, e.g. `float16`."""
        return str(self._vae.dtype).removeprefix("torch.")

    def require_width(self, width: int) -> None:
        """Raise `WeightsInvalid` for an audio encoder with another number of channels than the
        UNet.
        """
        if width != self.width:
            raise WeightsInvalid(
                f"the UNet takes {self.width} channels of audio, but the encoder gives {width}"
            )


def _config(part: AutoPrecision) -> Any:
    return part.network.config


def _encoded(vae: Any, images: Tensor) -> Tensor:
    mode: Tensor = vae.encode(images).latent_dist.mode()
    return mode


def _predicted(unet: Any, latents: Tensor, audio_tokens: Tensor) -> Tensor:
    timestep = torch.zeros(1, dtype=torch.long, device=latents.device)
    predicted: Tensor = unet(latents, timestep, encoder_hidden_states=audio_tokens).sample
    return predicted


def _decoded(vae: Any, latents: Tensor) -> Tensor:
    faces: Tensor = vae.decode(latents).sample
    return faces
