"""What makes a denoiser faster on this machine: the kernel of its attention, a cache, a compiler.

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

_CACHE: Any = FirstBlockCacheConfig

NATIVE: Final = "native"
_HOPPER: Final = (9, 0)
_KERNELS: Final = (
    ("_flash_3", "flash_attn_interface", _HOPPER, _HOPPER),
    ("flash", "flash_attn", (8, 0), None),
    ("sage", "sageattention", (8, 0), None),
)
"""A backend of diffusers, the package that it needs, the lowest and the highest GPU that it runs
on. FlashAttention computes the same as PyTorch's own; Sage rounds to 8 bits and comes last."""


def backend(capability: tuple[int, int] | None, has: Callable[[str], bool]) -> str:
    """The best kernel for a GPU of this compute capability; `has` tells whether a package is here.

    `capability` None: no GPU.
    """
    if capability is None:
        return NATIVE
    for name, package, lowest, highest in _KERNELS:
        if lowest <= capability and (highest is None or capability <= highest) and has(package):
            return name
    return NATIVE


def set_up(experts: Iterable[Any], settings: WanSettings, device: torch.device) -> dict[str, Any]:
    """Prepare the denoisers as capability and operator say; returns what a job shows of it."""
    capability = torch.cuda.get_device_capability(device) if device.type == "cuda" else None
    name = backend(capability, lambda package: find_spec(package) is not None)
    for expert in experts:
        name = _attend(expert, name)
        if settings.cache_threshold is not None:
            expert.enable_cache(_CACHE(threshold=settings.cache_threshold))
        if settings.compile:
            expert.compile_repeated_blocks(fullgraph=True)
    told: dict[str, Any] = {"attention": name}
    if settings.cache_threshold is not None:
        told["step_cache"] = settings.step_cache
    return told | ({"compiled": True} if settings.compile else {})


def _attend(expert: Any, name: str) -> str:
    if name == NATIVE:
        return name
    try:
        expert.set_attention_backend(name)
    except (RuntimeError, ValueError) as error:
        log.warning("attention kernel refused", kernel=name, reason=str(error))
        return NATIVE
    return name
