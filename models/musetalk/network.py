"""One pass from a hidden face and what it hears to the face that speaks: no noise, no scheduler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from models.errors import WeightsInvalid
from models.musetalk import audio, loading
from models.musetalk.face import face_crop
from models.musetalk.precision import Part

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray
    from torch import Tensor

    from models.lipsync.network import Frame


HEARD: Final = 50
"""Positions that a frame hears: 10 steps of 5 layers."""


class Network:
    """The UNet and the autoencoder of one folder of weights."""

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype) -> None:
        self._unet = Part(loading.unet(folder / "unet", device, dtype), "UNet")
        self._vae = Part(loading.vae(folder / "vae", device, dtype), "VAE")
        self._device = device
        self._scale = float(_config(self._vae).scaling_factor)
        self.width = int(_config(self._unet).cross_attention_dim)
        """Channels of what is heard."""
        encoding = audio.positional_encoding(HEARD, self.width)
        self._encoding = torch.from_numpy(encoding).to(device)

    @torch.inference_mode()
    def encode(self, crops: Sequence[Frame]) -> Tensor:
        """Faces as `face.crop` gives them to latents `(B, 8, 32, 32)`: hidden, then whole.

        They are the mode of the posterior and not drawn from it, so that results repeat. They lie
        on the CPU, for a caller may keep many.
        """
        pairs = np.concatenate([face_crop.hidden_and_whole(crop) for crop in crops])
        latents = self._vae(_encoded, torch.from_numpy(pairs).to(self._device)) * self._scale
        return latents.reshape(len(crops), -1, *latents.shape[2:]).cpu()

    @torch.inference_mode()
    def speak(self, latents: Tensor, features: NDArray[np.float32]) -> list[Frame]:
        """Faces that speak, BGR of 256 x 256, of latents and features `(B, 50, width)`."""
        heard = torch.from_numpy(features).to(self._device) + self._encoding
        made = self._unet(_passed, latents.to(self._device), heard)
        faces = self._vae(_decoded, made / self._scale)
        pixels = (faces.float() / 2 + 0.5).clamp(0, 1).mul(255).round().to(torch.uint8)
        return list(pixels.permute(0, 2, 3, 1).flip(3).cpu().numpy())

    @property
    def precision(self) -> str:
        """What the autoencoder runs in now, e.g. `float16`."""
        return str(self._vae.dtype).removeprefix("torch.")

    def expect(self, width: int) -> None:
        """Refuse an audio encoder whose steps have other channels than the UNet hears."""
        if width != self.width:
            raise WeightsInvalid(
                f"the UNet hears {self.width} channels, but the audio encoder makes {width}"
            )


def _config(part: Part) -> Any:
    return part.network.config


def _encoded(vae: Any, pictures: Tensor) -> Tensor:
    mode: Tensor = vae.encode(pictures).latent_dist.mode()
    return mode


def _passed(unet: Any, latents: Tensor, heard: Tensor) -> Tensor:
    timestep = torch.zeros(1, dtype=torch.long, device=latents.device)
    made: Tensor = unet(latents, timestep, encoder_hidden_states=heard).sample
    return made


def _decoded(vae: Any, latents: Tensor) -> Tensor:
    faces: Tensor = vae.decode(latents).sample
    return faces
