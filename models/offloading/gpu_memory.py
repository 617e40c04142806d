"""The GPU of a model: its bytes that are free, and those of networks."""

from __future__ import annotations

import gc
from itertools import chain
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import nn


def best_device() -> torch.device:
    """The GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


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
