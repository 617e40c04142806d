"""Applies an offload plan to the networks, and degrades it when memory runs out.

Not yet run on a GPU; everything but the transfer itself was run on a CPU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import structlog

from models.latentsync.memory import offload_plan
from models.latentsync.memory.memory_estimate import estimate_requirements
from models.latentsync.memory.offload_plan import OffloadPlan, OffloadStrategy
from models.offloading.gpu_memory import free_cached, usable_bytes, weight_bytes
from models.offloading.streaming import CPU, stop_streaming, stream

if TYPE_CHECKING:
    import torch
    from torch import nn

    from models.latentsync.unet import LatentSyncUNet

log = structlog.get_logger()

Part: TypeAlias = Literal["unet", "vae"]


class Networks(NamedTuple):
    """The loaded networks, on the CPU."""

    unet: LatentSyncUNet
    vae: Any
    audio: nn.Module


class OffloadManager:
    """Decides which networks are on the GPU, and moves them.

    `size` is that of a face in pixels. `forced` is the strategy that the operator set, None for the
    best that fits.
    """

    plan: OffloadPlan

    def __init__(
        self,
        networks: Networks,
        size: int,
        device: torch.device,
        forced: OffloadStrategy | None = None,
    ) -> None:
        self.device = device
        self._unet, self._vae, self._audio = networks
        self._size = size
        self._forced = forced is not None
        self._first = forced or OffloadStrategy.ALL_RESIDENT
        self._degraded = False
        self._placed: OffloadStrategy | None = None
        self._audio.to(device)
        self.prepare()

    def prepare(self) -> None:
        """Choose the plan for the memory that is free now, and apply it.

        After an out-of-memory error the plan stays.
        """
        if self._degraded:
            return
        required = estimate_requirements(self._unet, self._vae, self._audio, self._size)
        plan = offload_plan.choose(
            self._usable_bytes(), required, first=self._first, forced=self._forced
        )
        self._apply(plan)

    def convert_to_float32(self) -> None:
        """Change the number format of UNet and VAE, and choose the plan again."""
        self._remove_hooks()
        for network in (self._unet, self._vae):
            network.to(CPU).float()
        free_cached(self.device)
        self._placed = None
        self.prepare()
        self._apply(self.plan)

    def degrade(self) -> bool:
        """After an out-of-memory error, apply the next plan, for all later runs too.

        False if there is none. Call it outside the `except` block, whose traceback keeps the
        tensors of the failed call alive.
        """
        plan = offload_plan.next_plan(self.plan)
        if plan is None:
            return False
        log.warning("out of memory", was=self.plan.strategy.value, **plan.notes)
        self._degraded = True
        free_cached(self.device)
        self._apply(plan)
        return True

    def use(self, part: Part) -> None:
        """Bring a network to the GPU before it runs, and the other one off it if the plan does."""
        strategy = self.plan.strategy
        if strategy in {OffloadStrategy.CPU, OffloadStrategy.ALL_RESIDENT}:
            return
        streamed = strategy is OffloadStrategy.GROUP_OFFLOAD
        _move(self._vae, self.device if part == "vae" else CPU)
        if not streamed:
            _move(self._unet, self.device if part == "unet" else CPU)

    def _apply(self, plan: OffloadPlan) -> None:
        self._vae.use_tiling = plan.tiled
        self.plan = plan
        if self._placed is not plan.strategy:
            self._remove_hooks()
            self._place(plan.strategy)
            log.info("offload plan applied", **plan.notes)

    def _place(self, strategy: OffloadStrategy) -> None:
        self._placed = strategy
        resident = strategy in {OffloadStrategy.CPU, OffloadStrategy.ALL_RESIDENT}
        for network in (self._unet, self._vae):
            _move(network, self.device if resident else CPU)
        if strategy is OffloadStrategy.GROUP_OFFLOAD:
            self._unet.streamed_to = self.device
            stream(self._unet.network, self.device, "leaf_level")

    def _remove_hooks(self) -> None:
        self._unet.streamed_to = None
        stop_streaming(self._unet.network)

    def _usable_bytes(self) -> int | None:
        """GPU memory for networks and activations: what is free, and what the networks hold."""
        usable = usable_bytes(self.device)
        if usable is None:
            return None
        return usable + sum(map(_bytes_on_gpu, (self._unet, self._vae, self._audio)))


def _move(module: nn.Module, device: torch.device) -> None:
    if next(module.parameters()).device != device:
        module.to(device)


def _bytes_on_gpu(module: nn.Module) -> int:
    return weight_bytes(module) if next(module.parameters()).is_cuda else 0
