"""Streaming of a network through a GPU, by the hooks of diffusers. Not yet run on a GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import torch
from diffusers.hooks.group_offloading import apply_group_offloading
from diffusers.hooks.hooks import HookRegistry

if TYPE_CHECKING:
    from torch import nn

CPU: Final = torch.device("cpu")
_HOOKS: Final = ("group_offloading", "layer_execution_tracker", "lazy_prefetch_group_offloading")


def stream(
    module: nn.Module, device: torch.device, level: Literal["leaf_level", "block_level"]
) -> None:
    """Keep a network in main memory, and copy each layer or block to `device` when it runs."""
    module.to(CPU)
    apply_group_offloading(
        module,
        onload_device=device,
        offload_device=CPU,
        offload_type=level,
        num_blocks_per_group=1 if level == "block_level" else None,
        use_stream=device.type == "cuda",
    )


def stop_streaming(module: nn.Module) -> None:
    """Remove the hooks of `stream`, if there are any."""
    registry = HookRegistry.check_if_exists_or_initialize(module)
    for name in _HOOKS:
        registry.remove_hook(name, recurse=True)
