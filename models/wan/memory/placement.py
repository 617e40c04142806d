"""Places the experts of a model as an offload strategy says: on the GPU, swapped or streamed.

Not yet run on a GPU; everything but the transfer itself was run on a CPU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch

from models.offloading.streaming import CPU, stop_streaming, stream
from models.wan.memory.offload_plan import OffloadStrategy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from models.wan.loading.loaded import LoadedPipeline

_STREAMED: Final = (OffloadStrategy.GROUP_OFFLOAD, OffloadStrategy.FP8_OFFLOAD)


class ExpertPlacement:
    """Moves the experts of one model to a GPU, or lets each call do so."""

    def __init__(self, loaded: LoadedPipeline, device: torch.device) -> None:
        self._loaded = loaded
        self._device = device
        self._swap_hooks: list[Any] = []

    def apply(self, strategy: OffloadStrategy) -> None:
        """Place the experts as a strategy says. Hooks of another one must have been removed."""
        experts = list(self._loaded.experts.values())
        if strategy is OffloadStrategy.EXPERT_SWAP:
            self._swap(experts)
            return
        for expert in experts:
            if strategy is OffloadStrategy.FP8_OFFLOAD:
                _cast_fp8(expert)
            if strategy in _STREAMED:
                stream(expert, self._device, "block_level")
            else:
                expert.to(self._device)

    def remove_hooks(self) -> None:
        """Remove every offload hook, before LoRAs change or another strategy is applied."""
        for hook in self._swap_hooks:
            hook.remove()
        self._swap_hooks.clear()
        for expert in self._loaded.experts.values():
            stop_streaming(expert)

    def _swap(self, experts: Sequence[Any]) -> None:
        """Before each call of an expert, move it to the GPU and the other one off it."""

        def onload(expert: nn.Module, _: object) -> None:
            for other in experts:
                if other is not expert and other.device != CPU:
                    other.to(CPU)
            if expert.device != self._device:
                expert.to(self._device)

        for expert in experts:
            expert.to(CPU)
            self._swap_hooks.append(expert.register_forward_pre_hook(onload))


def _cast_fp8(expert: Any) -> None:
    """Store the matrices in fp8. This cannot be undone: the lost precision stays lost."""
    if not any("layerwise_casting" in registry.hooks for registry in _registries(expert)):
        expert.enable_layerwise_casting(
            storage_dtype=torch.float8_e4m3fn, compute_dtype=expert.dtype
        )


def _registries(module: nn.Module) -> list[Any]:
    found = (getattr(part, "_diffusers_hook", None) for part in module.modules())
    return [registry for registry in found if registry is not None]
