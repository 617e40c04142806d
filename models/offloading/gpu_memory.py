"""Bytes of networks, and bytes of a GPU that are free for them."""

from __future__ import annotations

import gc
from itertools import chain
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import nn


def weight_bytes(module: nn.Module) -> int:
    """Size of a module's parameters and buffers in memory, quantized ones included."""
    tensors = chain(module.parameters(), module.buffers())
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def usable_bytes(device: torch.device) -> int | None:
    """GPU memory that this process may still use; None on a CPU."""
    if device.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


def free_cached(device: torch.device) -> None:
    """Free what a failed call left: its tensors, and the allocator's cached blocks."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
