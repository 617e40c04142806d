"""Memory estimate of a loaded model and a job of some size, in bytes.

Weights are counted exactly. Activations are formulas; their constants come from counting live
tensors on a CPU under full-size modules of random weights, without the workspaces of GPU kernels.
Not yet run on a GPU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from models.offloading.gpu_memory import weight_bytes
from models.wan.memory.offload_plan import MemoryRequirements

if TYPE_CHECKING:
    from models.wan.loading.loaded import LoadedPipeline

_PER_TOKEN: Final = 24
"""Bytes for each token and each channel of the denoiser: 114 kB for 5120 channels, measured from
128 to 1024 tokens of two full-size blocks in bf16."""
_PER_TIMED_TOKEN: Final = 96
"""The same where each token has its own time step, and so its own six modulations in float32."""
_KEPT: Final = 2
"""Bytes of one channel of hidden states that are kept, in bf16."""
_PER_PIXEL: Final = 22_000
"""Bytes for each pixel that the VAE decodes at once: 19.7 kB for Wan2.1's, 22.0 for the 5B's."""
_CLIP: Final = 2 * 3 * 4
"""Bytes for each pixel of the clip: the VAE's output, or its tiles, in float32 and twice."""
_TILE: Final = 256 * 256


class ClipSize(Protocol):
    """The size of what is denoised and decoded at once."""

    @property
    def width(self) -> int:
        """Pixels."""
        ...

    @property
    def height(self) -> int:
        """Pixels."""
        ...

    @property
    def frames(self) -> int:
        """Frames of one clip."""
        ...


def estimate_requirements(
    loaded: LoadedPipeline, resolved: ClipSize, kept_states: int = 0, gpus: int = 1
) -> MemoryRequirements:
    """Estimate the memory of one job on the GPU that decodes, its LoRAs included.

    `kept_states`: hidden states of the whole clip that it keeps beside the current ones. `gpus`:
    how many share the tokens; each has all weights of an expert.
    """
    pipe: Any = loaded.pipe
    experts = list(loaded.experts.values())
    others = [pipe.vae, *([pipe.image_encoder] if pipe.image_encoder is not None else [])]
    pixels = resolved.width * resolved.height
    clip = pixels * resolved.frames * _CLIP
    return MemoryRequirements(
        experts=tuple(weight_bytes(expert) for expert in experts),
        largest_block=max(weight_bytes(block) for expert in experts for block in expert.blocks),
        text_encoder=weight_bytes(pipe.text_encoder),
        others=sum(weight_bytes(module) for module in others),
        activations=-(-_activations(loaded, resolved, kept_states) // gpus),
        decoding=pixels * _PER_PIXEL + clip,
        tiled_decoding=min(pixels, _TILE) * _PER_PIXEL + clip,
        quantized=loaded.quantized,
    )


def _activations(loaded: LoadedPipeline, resolved: ClipSize, kept_states: int) -> int:
    variant = loaded.variant
    config: Any = next(iter(loaded.experts.values())).config
    patch = 2 * variant.vae_scale
    latent_frames = (resolved.frames - 1) // variant.temporal_scale + 1
    tokens = latent_frames * (resolved.width // patch) * (resolved.height // patch)
    channels = int(config.num_attention_heads * config.attention_head_dim)
    per_value = _PER_TIMED_TOKEN if variant.expand_timesteps else _PER_TOKEN
    return tokens * channels * (per_value + kept_states * _KEPT)
