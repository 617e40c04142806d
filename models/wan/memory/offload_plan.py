"""The choice of an offload strategy: what of a Wan model stays in GPU memory during a job.

Free of torch: sizes in, a plan out. Sizes of weights are exact, those of activations are estimates
(see `memory_estimate.py`), so an out-of-memory error during a job degrades it to the next strategy.
Not yet run on a GPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from models.offloading.budget import RESERVED_BYTES, STREAMED_PARTS, format_gb


class OffloadStrategy(StrEnum):
    """What stays in GPU memory; each strategy needs less of it than the one above."""

    CPU = "cpu"  #: no GPU: everything in main memory
    ALL_RESIDENT = "all_resident"  #: everything on the GPU
    TEXT_ENCODER_OFFLOAD = "text_encoder_offload"  #: the text encoder streams, layer by layer
    EXPERT_SWAP = "expert_swap"  #: and only the expert in use is on the GPU
    GROUP_OFFLOAD = "group_offload"  #: the experts stream, too, block by block
    FP8_OFFLOAD = "fp8_offload"  #: and are stored in fp8: half the main memory and transfer


STRATEGIES: Final = (
    OffloadStrategy.ALL_RESIDENT,
    OffloadStrategy.TEXT_ENCODER_OFFLOAD,
    OffloadStrategy.EXPERT_SWAP,
    OffloadStrategy.GROUP_OFFLOAD,
    OffloadStrategy.FP8_OFFLOAD,
)
"""From the fastest to the one that needs the least GPU memory."""

_DESCRIPTIONS: Final = {
    OffloadStrategy.CPU: "There is no GPU: the model runs on the CPU",
    OffloadStrategy.ALL_RESIDENT: "The whole model is on the GPU",
    OffloadStrategy.TEXT_ENCODER_OFFLOAD: "The text encoder streams through the GPU",
    OffloadStrategy.EXPERT_SWAP: "Only the expert in use is on the GPU",
    OffloadStrategy.GROUP_OFFLOAD: "The denoiser streams through the GPU block by block",
    OffloadStrategy.FP8_OFFLOAD: "The denoiser, in fp8, streams through the GPU block by block",
}


@dataclass(frozen=True)
class MemoryRequirements:
    """Memory of a loaded model and of one job's size, in bytes."""

    experts: tuple[int, ...]
    """Weights of each denoiser."""
    largest_block: int
    """Weights of the largest block of a denoiser."""
    text_encoder: int
    others: int
    """Weights of VAE and image encoder."""
    activations: int
    """Of a denoiser at this job's size."""
    decoding: int
    """Of the VAE at this job's size, without tiling."""
    tiled_decoding: int
    """Of the VAE in tiles of 256 pixels."""
    quantized: bool = False
    """GGUF: its weights cannot be cast to fp8."""

    def resident_bytes(self, strategy: OffloadStrategy) -> int:
        """Weights that are on the GPU at all times."""
        match strategy:
            case OffloadStrategy.ALL_RESIDENT:
                return sum(self.experts) + self.text_encoder + self.others
            case OffloadStrategy.TEXT_ENCODER_OFFLOAD:
                return sum(self.experts) + self.others
            case OffloadStrategy.EXPERT_SWAP:
                return max(self.experts) + self.others
            case OffloadStrategy.GROUP_OFFLOAD:
                return STREAMED_PARTS * self.largest_block + self.others
        return STREAMED_PARTS * self.largest_block // 2 + self.others

    def supports(self, strategy: OffloadStrategy) -> bool:
        """Whether the strategy makes sense for this model."""
        if strategy is OffloadStrategy.EXPERT_SWAP:
            return len(self.experts) > 1
        return strategy is not OffloadStrategy.FP8_OFFLOAD or not self.quantized


@dataclass(frozen=True)
class OffloadPlan:
    """A strategy, and the sentence that explains why it was chosen."""

    strategy: OffloadStrategy
    reason: str
    tiled: bool = False
    """Whether the VAE decodes in tiles: less memory, slightly different pixels at their seams."""

    @property
    def notes(self) -> dict[str, str | bool]:
        """What a job shows of the plan."""
        return {
            "offload": self.strategy.value,
            "offload_reason": self.reason,
            "vae_tiled": self.tiled,
        }


def choose(
    gpu_bytes: int | None,
    required: MemoryRequirements,
    *,
    first: OffloadStrategy = OffloadStrategy.ALL_RESIDENT,
    remark: str = "",
) -> OffloadPlan:
    """Choose the fastest strategy from `first` on that fits, else the last supported one.

    `gpu_bytes` is what this process may use, None without a GPU. `remark` is appended to the
    reason. A strategy under which the VAE fits only in tiles is chosen with tiles.
    """
    if gpu_bytes is None:
        return OffloadPlan(OffloadStrategy.CPU, f"{_DESCRIPTIONS[OffloadStrategy.CPU]}.")
    available = gpu_bytes - RESERVED_BYTES
    for strategy in _supported(required, first) or [OffloadStrategy.GROUP_OFFLOAD]:
        resident = required.resident_bytes(strategy)
        if resident + max(required.activations, required.tiled_decoding) <= available:
            break
    tiled = resident + required.decoding > available
    reason = _reason(strategy, resident, gpu_bytes, required) + remark
    return OffloadPlan(strategy, reason, tiled)


def forced(
    strategy: OffloadStrategy, gpu_bytes: int | None, required: MemoryRequirements
) -> OffloadPlan:
    """The plan of a strategy that the operator set, whether it fits or not.

    The next supported strategy is used if the model does not support this one. It is also applied
    without a GPU, for tests: everything is in main memory then.
    """
    supported = _supported(required, strategy)
    strategy = supported[0] if supported else OffloadStrategy.GROUP_OFFLOAD
    available = None if gpu_bytes is None else gpu_bytes - RESERVED_BYTES
    resident = required.resident_bytes(strategy)
    tiled = available is not None and resident + required.decoding > available
    return OffloadPlan(strategy, f"{_DESCRIPTIONS[strategy]}: set by the operator.", tiled)


def next_plan(plan: OffloadPlan, required: MemoryRequirements) -> OffloadPlan | None:
    """The plan after an out-of-memory error: the next strategy, with tiles. None: no more."""
    if plan.strategy is OffloadStrategy.CPU:
        return None
    for strategy in _supported(required, plan.strategy):
        if strategy is not plan.strategy:
            reason = f"{_DESCRIPTIONS[strategy]}: out of memory with {plan.strategy.value}."
            return OffloadPlan(strategy, reason, tiled=True)
    return None


def has_room(
    plan: OffloadPlan, gpu_bytes: int | None, required: MemoryRequirements, samples: int
) -> bool:
    """Whether so many samples may be denoised in one call. Without a GPU: no."""
    if gpu_bytes is None:
        return False
    needed = required.resident_bytes(plan.strategy) + samples * required.activations
    return needed <= gpu_bytes - RESERVED_BYTES


def _supported(required: MemoryRequirements, first: OffloadStrategy) -> list[OffloadStrategy]:
    """The supported strategies from `first` on."""
    return [one for one in STRATEGIES[STRATEGIES.index(first) :] if required.supports(one)]


def _reason(
    strategy: OffloadStrategy, resident: int, gpu_bytes: int, required: MemoryRequirements
) -> str:
    work = max(required.activations, min(required.decoding, required.tiled_decoding))
    total = required.resident_bytes(OffloadStrategy.ALL_RESIDENT)
    return (
        f"{_DESCRIPTIONS[strategy]}: {format_gb(resident)} of {format_gb(total)} of weights and "
        f"about {format_gb(work)} of activations in {format_gb(gpu_bytes)}."
    )
