"""Where the parts of a pipeline lie: a plan carried out, changed between jobs, and lowered once.

Not yet run on a GPU; on a CPU every rung but the move itself was.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any, Final

import structlog
import torch
from diffusers.hooks.group_offloading import apply_group_offloading
from diffusers.hooks.hooks import HookRegistry

from models.wan.memory import offload_plan
from models.wan.memory.memory_estimate import needs_of
from models.wan.memory.offload_plan import Plan, Rung

if TYPE_CHECKING:
    from torch import nn

    from models.wan.loading.pipeline import Loaded
    from models.wan.memory.offload_plan import Needs
    from models.wan.request.resolve import Resolved
    from models.wan.settings import WanSettings

log = structlog.get_logger()

_STREAMED: Final = (Rung.GROUP_OFFLOAD, Rung.FP8_OFFLOAD)
_HOOKS: Final = ("group_offloading", "layer_execution_tracker", "lazy_prefetch_group_offloading")
_CPU: Final = torch.device("cpu")


class Residence:
    """The places of one loaded model's parts. `device` None: the GPU if there is one."""

    def __init__(
        self, loaded: Loaded, settings: WanSettings, device: torch.device | None = None
    ) -> None:
        self.device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.plan: Plan | None = None
        self._loaded = loaded
        self._pipe: Any = loaded.pipe
        self._room = gpu_bytes(self.device)
        self._forced = None if settings.plan == "auto" else settings.plan
        self._first, self._because = Rung.ALL_RESIDENT, ""
        self._needs: Needs | None = None
        self._turns: list[Any] = []

    @property
    def vae(self) -> Any:
        """The VAE, which lies where it works under every plan."""
        return self._pipe.vae

    def settle(self, resolved: Resolved) -> Plan:
        """Place all parts as this job's size asks for."""
        needs = self._needs = needs_of(self._loaded, resolved)
        if self._forced is not None:
            plan = offload_plan.forced(self._forced, self._room, needs)
        else:
            plan = offload_plan.choose(self._room, needs, first=self._first, because=self._because)
        self.place(plan)
        return plan

    def fall(self) -> Plan | None:
        """After an out-of-memory: one rung down, for all later jobs too. None: none is left.

        Call it outside the `except` block, whose traceback holds the tensors of the failed run.
        """
        if self.plan is None or self._needs is None:
            return None
        plan = offload_plan.below(self.plan, self._needs)
        if plan is None:
            return None
        log.warning("out of memory, one rung down", plan=plan.rung, was=self.plan.rung)
        self._first, self._because = plan.rung, " Memory ran out once with more on the GPU."
        self._forced = self._forced and plan.rung
        self.lift()
        self._forget()
        self.place(plan)
        return plan

    def place(self, plan: Plan) -> None:
        """Carry out a plan."""
        self._pipe.vae.use_tiling = plan.tiled
        if self.plan is None or self.plan.rung is not plan.rung:
            self.lift()
            self._carry_out(plan.rung)
            log.info("model placed", **plan.notes)
        self.plan = plan

    def lift(self) -> None:
        """Take away every hook, so that LoRAs can be changed or another plan be carried out."""
        for turn in self._turns:
            turn.remove()
        self._turns.clear()
        for module in (self._pipe.text_encoder, *self._loaded.experts.values()):
            registry = HookRegistry.check_if_exists_or_initialize(module)
            for name in _HOOKS:
                registry.remove_hook(name, recurse=True)
        self.plan = None

    def _carry_out(self, rung: Rung) -> None:
        for module in (self._pipe.vae, self._pipe.image_encoder):
            if module is not None:
                module.to(self.device)
        if rung in {Rung.CPU, Rung.ALL_RESIDENT}:
            self._pipe.text_encoder.to(self.device)
        else:
            self._stream(self._pipe.text_encoder, "leaf_level")
        experts = list(self._loaded.experts.values())
        if rung is Rung.ONE_EXPERT:
            self._take_turns(experts)
            return
        for expert in experts:
            if rung is Rung.FP8_OFFLOAD:
                self._narrow(expert)
            if rung in _STREAMED:
                self._stream(expert, "block_level")
            else:
                expert.to(self.device)

    def _narrow(self, expert: Any) -> None:
        """Keep the matrices in fp8 for good: what it cuts off does not come back."""
        self._first = Rung.FP8_OFFLOAD
        if not any("layerwise_casting" in registry.hooks for registry in _registries(expert)):
            expert.enable_layerwise_casting(
                storage_dtype=torch.float8_e4m3fn, compute_dtype=expert.dtype
            )

    def _stream(self, module: nn.Module, level: str) -> None:
        module.to(_CPU)
        apply_group_offloading(
            module,
            onload_device=self.device,
            offload_device=_CPU,
            offload_type=level,
            num_blocks_per_group=1 if level == "block_level" else None,
            use_stream=self.device.type == "cuda",
        )

    def _take_turns(self, experts: list[Any]) -> None:
        """Let the expert that is called come, and the other go."""

        def come(expert: nn.Module, _: object) -> None:
            for other in experts:
                if other is not expert and other.device != _CPU:
                    other.to(_CPU)
            if expert.device != self.device:
                expert.to(self.device)

        for expert in experts:
            expert.to(_CPU)
            self._turns.append(expert.register_forward_pre_hook(come))

    def _forget(self) -> None:
        """Give back what the failed run left: its tensors, and the allocator's blocks."""
        self._pipe.vae.clear_cache()
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()


def gpu_bytes(device: torch.device) -> int | None:
    """What this process may use of the GPU, now that nothing of the model lies there yet."""
    if device.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


def _registries(module: nn.Module) -> list[Any]:
    held = (getattr(part, "_diffusers_hook", None) for part in module.modules())
    return [registry for registry in held if registry is not None]
