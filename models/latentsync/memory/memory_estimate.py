"""Memory estimate of the loaded networks and of one chunk, in bytes.

Weights are counted exactly. The constants of the activations come from counting the live tensors of
the full-size networks, in both number formats and sizes, without the workspaces of GPU kernels and
without what the allocator wastes. Not yet run on a GPU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from models.latentsync.memory.offload_plan import MemoryRequirements
from models.latentsync.sampling import CHUNK
from models.offloading.gpu_memory import weight_bytes

if TYPE_CHECKING:
    from torch import nn

    from models.latentsync.unet import LatentSyncUNet

_PER_TOKEN: Final = 28
"""Values for each token of the first level and each of its channels: 26.1 for a whole step, 27.1
for one that keeps features. A token is a pixel of the latents of one frame."""
_PER_PIXEL: Final = 800
"""Values for each pixel of a face that the VAE decodes: 768.1; encoding takes 640."""
_TILE: Final = 256


def estimate_requirements(
    unet: LatentSyncUNet, vae: Any, audio: nn.Module, size: int
) -> MemoryRequirements:
    """Estimate the memory of a run with faces of `size` pixels, in the networks' number format."""
    width = unet.dtype.itemsize
    latent = size // 2 ** (len(vae.config.block_out_channels) - 1)
    tokens = CHUNK * latent * latent
    return MemoryRequirements(
        unet=weight_bytes(unet),
        largest_layer=max(weight_bytes(layer) for layer in _layers(unet)),
        vae=weight_bytes(vae),
        audio=weight_bytes(audio),
        denoising=tokens * unet.network.config.block_out_channels[0] * _PER_TOKEN * width,
        face=size * size * _PER_PIXEL * width,
        tiled_face=min(size, _TILE) ** 2 * _PER_PIXEL * width,
    )


def _layers(module: nn.Module) -> list[nn.Module]:
    """Modules that hold parameters themselves."""
    return [part for part in module.modules() if not any(part.children())]
