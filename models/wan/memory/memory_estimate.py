"""What a loaded model and a job of some size take in memory, in bytes.

Weights are counted. Activations are formulas, whose constants come from counting live tensors on
a CPU under full-size modules of random weights; what a GPU's own kernels take beside them is not
in it. Not yet run on a GPU.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from models.wan.memory.offload_plan import Needs

if TYPE_CHECKING:
    from torch import nn

    from models.wan.loading.pipeline import Loaded
    from models.wan.request.resolve import Resolved

_PER_TOKEN: Final = 24
"""Bytes for each token and each of the denoiser's channels: 114 kB of 5120, seen from 128 to 1024
tokens of two full-size blocks in bf16."""
_PER_TIMED_TOKEN: Final = 96
"""The same where each token has a time step, and so six modulations in float32, of its own."""
_PER_PIXEL: Final = 22_000
"""Bytes for each pixel that the VAE decodes at once: 19.7 kB for Wan2.1's, 22.0 for the 5B's."""
_CLIP: Final = 2 * 3 * 4
"""Bytes for each pixel of the clip: what the VAE sees, or its tiles, in float32 and twice."""
_TILE: Final = 256 * 256


def needs_of(loaded: Loaded, resolved: Resolved) -> Needs:
    """The needs of one job, its LoRAs included."""
    pipe: Any = loaded.pipe
    experts = list(loaded.experts.values())
    others = [pipe.vae, *([pipe.image_encoder] if pipe.image_encoder is not None else [])]
    pixels = resolved.width * resolved.height
    clip = pixels * resolved.frames * _CLIP
    return Needs(
        experts=tuple(size_of(expert) for expert in experts),
        largest_block=max(size_of(block) for expert in experts for block in expert.blocks),
        text_encoder=size_of(pipe.text_encoder),
        others=sum(size_of(module) for module in others),
        activations=_activations(loaded, resolved),
        decoding=pixels * _PER_PIXEL + clip,
        tiled_decoding=min(pixels, _TILE) * _PER_PIXEL + clip,
        quantized=loaded.quantized,
    )


def size_of(module: nn.Module) -> int:
    """The bytes of a module's weights as they lie in memory, quantized ones included."""
    held = chain(module.parameters(), module.buffers())
    return sum(tensor.numel() * tensor.element_size() for tensor in held)


def _activations(loaded: Loaded, resolved: Resolved) -> int:
    variant = loaded.variant
    config: Any = next(iter(loaded.experts.values())).config
    patch = 2 * variant.vae_scale
    latent_frames = (resolved.frames - 1) // variant.chunk + 1
    tokens = latent_frames * (resolved.width // patch) * (resolved.height // patch)
    width = int(config.num_attention_heads * config.attention_head_dim)
    return tokens * width * (_PER_TIMED_TOKEN if variant.expand_timesteps else _PER_TOKEN)
