"""What the leader sends to its followers, and what they answer, over a pair of sockets each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from models.wan.loading.loaded import LoraSpec
    from models.wan.memory.offload_plan import OffloadStrategy


@dataclass(frozen=True)
class Prepare:
    """Place the experts, and make exactly these LoRAs active. The answer is `Ready`."""

    strategy: OffloadStrategy
    loras: tuple[LoraSpec, ...]


@dataclass(frozen=True)
class Call:
    """Run an expert. There is no answer; its tensors follow in this order, each as a broadcast."""

    expert: str
    tensors: tuple[tuple[str, tuple[int, ...], torch.dtype], ...]
    """Name, shape and type of each."""


@dataclass(frozen=True)
class Ready:
    """The experts are loaded, or placed."""

    gpu_bytes: int | None
    """GPU memory that the process may use; None without a GPU."""


@dataclass(frozen=True)
class Failed:
    """The last message of a follower, which ends with an error."""

    reason: str
    out_of_memory: bool
    """Whether the memory of its GPU was full."""
