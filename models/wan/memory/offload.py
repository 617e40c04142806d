"""Applies an offload plan to the components of a pipeline, and degrades it when memory runs out.

Not yet run on a GPU; everything but the transfer itself was run on a CPU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from models.offloading.gpu_memory import best_device, free_cached, usable_bytes
from models.offloading.streaming import stop_streaming, stream
from models.wan.memory import offload_plan
from models.wan.memory.memory_estimate import estimate_requirements
from models.wan.memory.offload_plan import OffloadPlan, OffloadStrategy
from models.wan.memory.placement import ExpertPlacement

if TYPE_CHECKING:
    import torch

    from models.wan.loading.loaded import LoadedPipeline
    from models.wan.memory.memory_estimate import ClipSize
    from models.wan.memory.offload_plan import MemoryRequirements

log = structlog.get_logger()


class OffloadManager:
    """Decides which components of one loaded model are on the GPU, and moves them.

    `forced` is the strategy that the operator set, None for the best that fits. `device` None: the
    GPU if there is one. `gpus`: how many share the work of an expert; `least_bytes`: the memory of
    the smallest of the others.
    """

    def __init__(
        self,
        loaded: LoadedPipeline,
        forced: OffloadStrategy | None = None,
        device: torch.device | None = None,
        *,
        gpus: int = 1,
        least_bytes: int | None = None,
    ) -> None:
        self.device = device or best_device()
        self.plan: OffloadPlan | None = None
        self._loaded = loaded
        self._pipe: Any = loaded.pipe
        self._gpus = gpus
        sizes = (usable_bytes(self.device), least_bytes)
        self._gpu_bytes = min((size for size in sizes if size is not None), default=None)
        self._forced = forced
        self._first, self._remark = OffloadStrategy.ALL_RESIDENT, ""
        self._required: MemoryRequirements | None = None
        self._experts = ExpertPlacement(loaded, self.device)

    @property
    def vae(self) -> Any:
        """The VAE, which is on `device` under every plan."""
        return self._pipe.vae

    def prepare(self, resolved: ClipSize, kept_states: int = 0) -> OffloadPlan:
        """Choose the plan for this job's size and apply it.

        `kept_states`: hidden states of the whole clip that the job keeps beside the current ones.
        """
        required = estimate_requirements(self._loaded, resolved, kept_states, self._gpus)
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
        stop_streaming(self._pipe.text_encoder)
        self._experts.remove_hooks()
        self.plan = None

    def _place_components(self, strategy: OffloadStrategy) -> None:
        for module in (self._pipe.vae, self._pipe.image_encoder):
            if module is not None:
                module.to(self.device)
        if strategy in {OffloadStrategy.CPU, OffloadStrategy.ALL_RESIDENT}:
            self._pipe.text_encoder.to(self.device)
        else:
            stream(self._pipe.text_encoder, self.device, "leaf_level")
        if strategy is OffloadStrategy.FP8_OFFLOAD:
            self._first = strategy  # the experts stay in fp8
        self._experts.apply(strategy)

    def free_memory(self) -> None:
        """Free what a failed run left: its tensors, and the allocator's cached blocks."""
        self._pipe.vae.clear_cache()
        free_cached(self.device)
