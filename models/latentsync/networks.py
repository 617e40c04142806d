"""All networks of LatentSync, loaded once and shared by many runs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self

import structlog
import torch

from models.errors import OutputInvalid, WeightsInvalid
from models.latentsync import audio, sampling
from models.latentsync.loading import checkpoint
from models.latentsync.loading.version import Version, check_version
from models.latentsync.mask import keep_mask
from models.latentsync.memory.offload import Networks, OffloadManager
from models.latentsync.settings import LatentSyncSettings
from models.offloading.gpu_memory import best_device
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
    """The networks of a weights folder with the paths of `weights.toml`. Not yet run on a GPU.

    `device` None: the GPU if there is one.
    """

    def __init__(
        self,
        folder: Path,
        version: Version,
        device: torch.device | None = None,
        settings: LatentSyncSettings | None = None,
    ) -> None:
        path = _checkpoint(folder / "unet")
        digest = checkpoint.source_digest(path)
        check_version(digest, version)
        device = device or best_device()
        settings = settings or LatentSyncSettings()
        networks = Networks(
            checkpoint.load_unet(path),
            checkpoint.load_vae(folder / "vae", select_dtype(settings, device)),
            checkpoint.load_audio(folder / "whisper" / "tiny.pt"),
        )
        self._set_up(networks, digest, version, device, settings)

    @classmethod
    def from_loaded(
        cls,
        networks: Networks,
        version: Version,
        device: torch.device | None = None,
        settings: LatentSyncSettings | None = None,
    ) -> Self:
        """From networks in main memory, e.g. of random weights for a benchmark."""
        created = cls.__new__(cls)
        settings = settings or LatentSyncSettings()
        created._set_up(networks, "", version, device or best_device(), settings)
        return created

    def _set_up(
        self,
        networks: Networks,
        digest: str,
        version: Version,
        device: torch.device,
        settings: LatentSyncSettings,
    ) -> None:
        self.digest = digest
        """SHA-256 of the published file."""
        self.version = version
        self.device = device
        self._dtype = select_dtype(settings, device)
        self.unet, self.vae = networks.unet.to(self._dtype), networks.vae.to(self._dtype)
        self.encoder: Any = networks.audio
        self._check_width()
        self.memory = OffloadManager(networks, version.size, device, settings.forced_strategy)
        self.keep = keep_mask(version.size)

    @property
    def runs_on(self) -> str:
        """Device and number format, e.g. `cuda float16`."""
        return f"{self.device.type} {str(self._dtype).removeprefix('torch.')}"

    @property
    def identity(self) -> tuple[str, ...]:
        """What the latents of a run depend on beside its request."""
        return self.version.name, self.digest, self.runs_on

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

    def encode(self, faces: Tensor, keep: NDArray[np.float32] | None = None) -> Tensor:
        """The network's conditions for faces `(n, 3, size, size)` in -1..1: `(n, 9, h, w)`, CPU.

        `keep` is the mask of another size of face than the version's.
        """
        mask = torch.from_numpy(self.keep if keep is None else keep)
        return self._in_batches(lambda part: sampling.encode_faces(self.vae, part, mask), faces)

    def decode(self, latents: Tensor) -> Tensor:
        """The faces of latents `(n, 4, h, w)`, `(n, 3, size, size)` about -1..1, on the CPU."""
        return self._in_batches(lambda part: sampling.decode(self.vae, part), latents)

    def denoise(
        self,
        conditions: Sequence[Tensor],
        windows: NDArray[np.float32],
        noise: Tensor,
        schedule: Schedule,
        on_step: Callable[[int], None] = lambda _: None,
    ) -> Tensor:
        """The latents of one chunk, `(1, 4, f, h, w)`; `on_step` gets the number of steps done.

        `conditions` are those of `encode`, one for each frame. After a number format or an offload
        plan that does not suffice the steps begin again.
        """

        def run() -> Tensor:
            self.memory.use("unet")
            return sampling.denoise_conditions(
                self.unet, conditions, windows, noise, schedule, on_step
            )

        return self._finite(lambda: self._fitting(run), "the UNet")

    def _in_batches(self, compute: Callable[[Tensor], Tensor], items: Tensor) -> Tensor:
        """What the VAE computes of items, as many at a time as the offload plan says."""
        found: list[Tensor] = []
        while (done := sum(map(len, found))) < len(items):

            def run(start: int = done) -> Tensor:
                self.memory.use("vae")
                return compute(items[start : start + self.memory.plan.faces]).cpu()

            found.append(self._finite(partial(self._fitting, run), "the VAE"))
        return torch.cat(found)

    def _fitting(self, compute: Callable[[], Tensor]) -> Tensor:
        """What `compute` returns; after an out-of-memory error with less on the GPU, for good.

        Raises `torch.OutOfMemoryError` if no plan needs less.
        """
        while True:
            try:
                return compute()
            except torch.OutOfMemoryError as error:
                reason = str(error)  # its traceback, which keeps the call's tensors, ends here
            if not self.memory.degrade():
                raise torch.OutOfMemoryError(reason)

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
            self.memory.convert_to_float32()
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


def select_dtype(settings: LatentSyncSettings, device: torch.device) -> torch.dtype:
    """The format that the operator set; else float16 on a GPU from Ampere on, and float32."""
    if settings.number_format != "auto":
        dtype: torch.dtype = getattr(torch, settings.number_format)
        return dtype
    if device.type == "cuda" and torch.cuda.get_device_capability(device) >= _AMPERE:
        return torch.float16
    return torch.float32
