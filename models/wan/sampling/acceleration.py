"""Faster denoising on this machine: attention kernel, step cache, compilation.

Not yet run on a GPU.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import structlog
import torch
from diffusers import FirstBlockCacheConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from models.wan.settings import WanSettings

log = structlog.get_logger()

_CACHE_CONFIG: Any = FirstBlockCacheConfig

NATIVE: Final = "native"
_HOPPER: Final = (9, 0)
_KERNELS: Final = (
    ("_flash_3", "flash_attn_interface", _HOPPER, _HOPPER),
    ("flash", "flash_attn", (8, 0), None),
    ("sage", "sageattention", (8, 0), None),
)
"""A backend of diffusers, the package that it needs, and the lowest and highest compute capability.
FlashAttention computes the same as PyTorch's own; Sage rounds to 8 bits, so it comes last."""
_ONE_GPU: Final = frozenset({"_flash_3"})
"""Backends that diffusers does not use when several GPUs share the tokens."""


def attention_backend(
    capability: tuple[int, int] | None,
    is_installed: Callable[[str], bool],
    *,
    parallel: bool = False,
) -> str:
    """The best attention backend for a GPU of this compute capability; None: no GPU.

    `is_installed` says whether a package can be imported; `parallel`, whether several GPUs share
    the tokens.
    """
    if capability is None:
        return NATIVE
    for name, package, lowest, highest in _KERNELS:
        if parallel and name in _ONE_GPU:
            continue
        in_range = lowest <= capability and (highest is None or capability <= highest)
        if in_range and is_installed(package):
            return name
    return NATIVE


def configure(
    experts: Iterable[Any],
    settings: WanSettings,
    device: torch.device,
    *,
    parallel: bool = False,
) -> dict[str, Any]:
    """Configure the denoisers for this GPU and the settings; returns the notes for a job.

    `parallel`: several GPUs share the tokens.
    """
    capability = torch.cuda.get_device_capability(device) if device.type == "cuda" else None
    name = attention_backend(
        capability, lambda package: find_spec(package) is not None, parallel=parallel
    )
    for expert in experts:
        name = _set_attention(expert, name)
        if settings.cache_threshold is not None:
            expert.enable_cache(_CACHE_CONFIG(threshold=settings.cache_threshold))
        if settings.compile:
            expert.compile_repeated_blocks(fullgraph=True)
    notes: dict[str, Any] = {"attention": name}
    if settings.cache_threshold is not None:
        notes["step_cache"] = settings.step_cache
    return notes | ({"compiled": True} if settings.compile else {})


def _set_attention(expert: Any, name: str) -> str:
    if name == NATIVE:
        return name
    try:
        expert.set_attention_backend(name)
    except (RuntimeError, ValueError) as error:
        log.warning("attention kernel not available", kernel=name, error=str(error))
        return NATIVE
    return name
