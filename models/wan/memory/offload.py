"""Applies an offload plan to the components of a pipeline, and degrades it when memory runs out.

Not yet run on a GPU; everything but the transfer itself was run on a CPU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import structlog
import torch

from models.offloading.gpu_memory import free_cached, usable_bytes
from models.offloading.streaming import CPU, stop_streaming, stream
from models.wan.memory import offload_plan
from models.wan.memory.memory_estimate import estimate_requirements
from models.wan.memory.offload_plan import OffloadPlan, OffloadStrategy

if TYPE_CHECKING:
    from torch import nn

    from models.wan.loading.loaded import LoadedPipeline
    from models.wan.memory.memory_estimate import ClipSize
    from models.wan.memory.offload_plan import MemoryRequirements

log = structlog.get_logger()

_STREAMED: Final = (OffloadStrategy.GROUP_OFFLOAD, OffloadStrategy.FP8_OFFLOAD)


class OffloadManager:
    """Decides which components of one loaded model are on the GPU, and moves them.

    `forced` is the strategy that the operator set, None for the best that fits. `device` None: the
    GPU if there is one.
    """

    def __init__(
        self,
        loaded: LoadedPipeline,
        forced: OffloadStrategy | None = None,
        device: torch.device | None = None,
    ) -> None:
        self.device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.plan: OffloadPlan | None = None
        self._loaded = loaded
        self._pipe: Any = loaded.pipe
        self._gpu_bytes = usable_bytes(self.device)
        self._forced = forced
        self._first, self._remark = OffloadStrategy.ALL_RESIDENT, ""
        self._required: MemoryRequirements | None = None
        self._swap_hooks: list[Any] = []

    @property
    def vae(self) -> Any:
        """The VAE, which is on `device` under every plan."""
        return self._pipe.vae

    def prepare(self, resolved: ClipSize, kept_states: int = 0) -> OffloadPlan:
        """Choose the plan for this job's size and apply it.

        `kept_states`: hidden states of the whole clip that the job keeps beside the current ones.
        """
        required = estimate_requirements(self._loaded, resolved, kept_states)
        self._required = required
        if self._forced is not None:
            plan = offload_plan.forced(self._forced, self._gpu_bytes, required)
        else:
            plan = offload_plan.choose(
                self._gpu_bytes, required, first=self._first, remark=self._remark
            )
        self.apply(plan)
        return plan

    def has_room(self, samples: int) -> bool:
        """Whether, under the plan of this job, so many samples may be denoised in one call."""
        if self.plan is None or self._required is None:
            return False
        return offload_plan.has_room(self.plan, self._gpu_bytes, self._required, samples)

    def degrade(self) -> OffloadPlan | None:
        """After an out-of-memory error, apply the next strategy for this and all later jobs.

        Returns None if there is none. Call it outside the `except` block, whose traceback keeps
        the tensors of the failed run alive.
        """
        if self.plan is None or self._required is None:
            return None
        plan = offload_plan.next_plan(self.plan, self._required)
        if plan is None:
            return None
        log.warning(
            "out of memory, offload degraded", strategy=plan.strategy, was=self.plan.strategy
        )
        self._first = plan.strategy
        self._remark = " An earlier job ran out of memory with more on the GPU."
        self._forced = self._forced and plan.strategy
        self.remove_hooks()
        self.free_memory()
        self.apply(plan)
        return plan

    def apply(self, plan: OffloadPlan) -> None:
        """Place the components as the plan says; does nothing if they are placed so already."""
        self._pipe.vae.use_tiling = plan.tiled
        if self.plan is None or self.plan.strategy is not plan.strategy:
            self.remove_hooks()
            self._place_components(plan.strategy)
            log.info("offload plan applied", **plan.notes)
        self.plan = plan

    def remove_hooks(self) -> None:
        """Remove every offload hook, before LoRAs change or another plan is applied."""
        for hook in self._swap_hooks:
            hook.remove()
        self._swap_hooks.clear()
        for module in (self._pipe.text_encoder, *self._loaded.experts.values()):
            stop_streaming(module)
        self.plan = None

    def _place_components(self, strategy: OffloadStrategy) -> None:
        for module in (self._pipe.vae, self._pipe.image_encoder):
            if module is not None:
                module.to(self.device)
        if strategy in {OffloadStrategy.CPU, OffloadStrategy.ALL_RESIDENT}:
            self._pipe.text_encoder.to(self.device)
        else:
            stream(self._pipe.text_encoder, self.device, "leaf_level")
        experts = list(self._loaded.experts.values())
        if strategy is OffloadStrategy.EXPERT_SWAP:
            self._swap_experts(experts)
            return
        for expert in experts:
            if strategy is OffloadStrategy.FP8_OFFLOAD:
                self._cast_fp8(expert)
            if strategy in _STREAMED:
                stream(expert, self.device, "block_level")
            else:
                expert.to(self.device)

    def _cast_fp8(self, expert: Any) -> None:
        """Store the matrices in fp8. This cannot be undone: the lost precision stays lost."""
        self._first = OffloadStrategy.FP8_OFFLOAD
        if not any("layerwise_casting" in registry.hooks for registry in _registries(expert)):
            expert.enable_layerwise_casting(
                storage_dtype=torch.float8_e4m3fn, compute_dtype=expert.dtype
            )

    def _swap_experts(self, experts: list[Any]) -> None:
        """Before each call of an expert, move it to the GPU and the other one off it."""

        def onload(expert: nn.Module, _: object) -> None:
            for other in experts:
                if other is not expert and other.device != CPU:
                    other.to(CPU)
            if expert.device != self.device:
                expert.to(self.device)

        for expert in experts:
            expert.to(CPU)
            self._swap_hooks.append(expert.register_forward_pre_hook(onload))

    def free_memory(self) -> None:
        """Free what a failed run left: its tensors, and the allocator's cached blocks."""
        self._pipe.vae.clear_cache()
        free_cached(self.device)


def _registries(module: nn.Module) -> list[Any]:
    found = (getattr(part, "_diffusers_hook", None) for part in module.modules())
    return [registry for registry in found if registry is not None]
