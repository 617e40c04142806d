"""The process group of torch that connects the GPUs of a job, and how they share its work."""

from __future__ import annotations

import math
import warnings
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Self

import torch
import torch.distributed as dist
from diffusers import ContextParallelConfig, ParallelConfig
from diffusers.hooks.context_parallel import apply_context_parallel
from torch.distributed.device_mesh import init_device_mesh

from models.settings import connect_by_loopback

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

_PARALLEL: Any = ParallelConfig
_CONTEXT_PARALLEL: Any = ContextParallelConfig
_apply: Any = apply_context_parallel
_FileStore: Any = dist.FileStore  # type: ignore[attr-defined]  # it is documented

TIMEOUT: Final = timedelta(minutes=2)
"""How long a process waits in a collective operation for the others. With NCCL, whose operations
cannot be interrupted, torch then ends the process."""
_RENAMED: Final = ".*torch.distributed._functional_collectives.all_gather_tensor"
"""Beginning of a warning of torch 2.13 to diffusers 0.42, which uses a function's former name."""
_HOOKS: Final = ("cp_input---", "cp_output---")
"""What the names of diffusers' hooks begin with."""


class ProcessGroup:
    """This process and the others, connected. A process is in one group at a time."""

    def __init__(self, config: Any) -> None:
        self._config = config
        self._world = dist.group.WORLD

    @classmethod
    def join(cls, meeting: Path, *, rank: int, size: int, device: torch.device) -> Self:
        """Connect this process to the others; an earlier group is left.

        They find each other by a file: a free port may be taken before it is used.
        """
        if dist.is_initialized():
            dist.destroy_process_group()
        connect_by_loopback()
        warnings.filterwarnings("ignore", _RENAMED, FutureWarning)
        backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "cpu:gloo"
        store = _FileStore(str(meeting), size)
        dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=TIMEOUT)
        config = _PARALLEL(context_parallel_config=_CONTEXT_PARALLEL(ulysses_degree=size))
        mesh = init_device_mesh(device.type, (1, size), mesh_dim_names=("ring", "ulysses"))
        config.setup(rank, size, device, mesh=mesh)
        return cls(config)

    @property
    def current(self) -> bool:
        """Whether this process has not left it."""
        return dist.is_initialized() and dist.group.WORLD is self._world

    def leave(self) -> None:
        """Leave the group, unless that was done."""
        if self.current:
            dist.destroy_process_group()

    def shard(self, expert: Any) -> None:
        """Have each process compute its share of an expert's tokens, from the next call on.

        This is `enable_parallelism`, which works only once and not without a GPU. Call it again
        when LoRAs have changed, because they replace layers.
        """
        for module in expert.modules():
            _remove_hooks(module)
            processor: Any = getattr(module, "processor", None)
            if hasattr(processor, "_parallel_config"):
                processor._parallel_config = self._config
        _apply(expert, self._config.context_parallel_config, expert._cp_plan)

    def fit(self, expert: Any, hidden_states: Tensor) -> None:
        """Have the next call, of these noisy latents, shared also if the shares are not equal.

        For that diffusers exchanges their sizes in each attention. Gloo cannot gather such shares.
        """
        sides = zip(hidden_states.shape[2:], expert.config.patch_size, strict=True)
        tokens = math.prod(side // patch for side, patch in sides)
        config = self._config.context_parallel_config
        config.ulysses_anything = tokens % config.ulysses_degree != 0

    def broadcast(self, tensor: Tensor) -> None:
        """Copy the leader's tensor to the tensor of each follower."""
        dist.broadcast(tensor, src=0)


def _remove_hooks(module: Any) -> None:
    registry: Any = getattr(module, "_diffusers_hook", None)
    for name in list(registry.hooks if registry is not None else ()):
        if name.startswith(_HOOKS):
            registry.remove_hook(name, recurse=False)
