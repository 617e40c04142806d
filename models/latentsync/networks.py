"""All networks of LatentSync, loaded once and shared by many runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import structlog
import torch

from models.errors import OutputInvalid, WeightsInvalid
from models.latentsync import audio, checkpoint, sampling
from models.latentsync.mask import keep_mask
from models.latentsync.version import Version, check_version
from models.output_checks import check_finite

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from models.latentsync.sampling import Schedule

log = structlog.get_logger()

CHECKPOINTS: Final = ("latentsync_unet.safetensors", "latentsync_unet.pt")
"""In order of preference: the file of `kinomill models convert` before the published one."""
_AMPERE: Final = (8, 0)
"""Compute capability of the first GPUs on which the authors run it in half precision."""


class LatentSync:
    """The networks of a weights folder with the paths of `weights.toml`. Not yet run on a GPU."""

    def __init__(self, folder: Path, version: Version, device: torch.device | None = None) -> None:
        path = _checkpoint(folder / "unet")
        self.digest = checkpoint.source_digest(path)
        """SHA-256 of the published file."""
        check_version(self.digest, version)
        self.version = version
        self.device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._dtype = _select_dtype(self.device)
        self.unet = checkpoint.load_unet(path).to(self.device, self._dtype)
        self.vae: Any = checkpoint.load_vae(folder / "vae", self._dtype).to(self.device)
        encoder: Any = checkpoint.load_audio(folder / "whisper" / "tiny.pt")
        self.encoder = encoder.to(self.device)
        self._check_width()
        self.keep = keep_mask(version.size)

    @property
    def runs_on(self) -> str:
        """Device and number format, e.g. `cuda float16`."""
        return f"{self.device.type} {str(self._dtype).removeprefix('torch.')}"

    @property
    def latent_size(self) -> int:
        """Rows and columns of the latents of a face."""
        reduction: int = 2 ** (len(self.vae.config.block_out_channels) - 1)
        return self.version.size // reduction

    def noise(self, seed: int) -> Tensor:
        """The one draw of noise for all frames of a run, `(1, 4, 1, h, w)`."""
        generator = torch.Generator().manual_seed(seed)
        shape = 1, self.vae.config.latent_channels, 1, self.latent_size, self.latent_size
        return torch.randn(shape, generator=generator)

    def encode(self, face: Tensor) -> Tensor:
        """What the network is told of a face in -1..1: `(9, h, w)` on the CPU."""
        keep = torch.from_numpy(self.keep)
        return self._finite(lambda: sampling.encode_face(self.vae, face, keep).cpu(), "the VAE")

    def decode(self, latents: Tensor) -> Tensor:
        """The face of latents `(4, h, w)`, `(3, size, size)` about -1..1, on the CPU."""
        return self._finite(lambda: sampling.decode(self.vae, latents).cpu(), "the VAE")

    def denoise(
        self,
        conditions: Sequence[Tensor],
        windows: NDArray[np.float32],
        noise: Tensor,
        schedule: Schedule,
        on_step: Callable[[int], None] = lambda _: None,
    ) -> Tensor:
        """The latents of one chunk, `(1, 4, f, h, w)`; `on_step` gets the number of steps done.

        `conditions` are those of `encode`, one for each frame.
        """
        return self._finite(
            lambda: sampling.denoise_conditions(
                self.unet, conditions, windows, noise, schedule, on_step
            ),
            "the UNet",
        )

    def _finite(self, compute: Callable[[], Tensor], source: str) -> Tensor:
        """What `compute` returns; after NaN or infinity the networks run in float32 for good.

        It is then computed again. Raises `OutputInvalid` if float32 does not help.
        """
        found = compute()
        try:
            check_finite(found, source)
        except OutputInvalid:
            if self._dtype == torch.float32:
                raise
            log.warning("LatentSync runs in float32 from now on", network=source)
            self._dtype = torch.float32
            self.unet.float(), self.vae.float()
            return self._finite(compute, source)
        return found

    def _check_width(self) -> None:
        wanted, found = self.unet.network.config.cross_attention_dim, self.encoder.config.d_model
        if wanted != found:
            raise WeightsInvalid(
                f"the UNet takes {wanted} channels of sound, but the audio encoder gives {found}"
            )


def tokens(encoder: Any) -> int:
    """Sound tokens of a frame."""
    return audio.WINDOW * (len(encoder.layers) + 1)


def _checkpoint(folder: Path) -> Path:
    for name in CHECKPOINTS:
        if (folder / name).exists():
            return folder / name
    raise WeightsInvalid(f"{folder} has none of {', '.join(CHECKPOINTS)}")


def _select_dtype(device: torch.device) -> torch.dtype:
    """float16 on a GPU from Ampere on, else float32, as in the authors' script."""
    if device.type == "cuda" and torch.cuda.get_device_capability(device) >= _AMPERE:
        return torch.float16
    return torch.float32
