"""The choice of an offload strategy: what of LatentSync stays in GPU memory during a run.

Free of torch: sizes in, a plan out. Sizes of weights are exact, those of activations are estimates
(see `memory_estimate.py`), so an out-of-memory error during a run degrades it to the next plan. The
16 frames of a chunk are never split: norms and attention of the UNet span them. Not yet run on a
GPU.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from models.offloading.budget import RESERVED_BYTES, STREAMED_PARTS, format_gb


class OffloadStrategy(StrEnum):
    """What stays in GPU memory; each strategy needs less of it than the one above."""

    CPU = "cpu"  #: no GPU: everything in main memory
    ALL_RESIDENT = "all_resident"  #: everything on the GPU
    MODEL_SWAP = "model_swap"  #: of UNet and VAE only the one in use is on the GPU
    GROUP_OFFLOAD = "group_offload"  #: and the UNet streams, layer by layer


STRATEGIES: Final = (
    OffloadStrategy.ALL_RESIDENT,
    OffloadStrategy.MODEL_SWAP,
    OffloadStrategy.GROUP_OFFLOAD,
)
"""From the fastest to the one that needs the least GPU memory."""
MAX_FACES: Final = 16
"""Faces that the VAE takes at most: those of a chunk."""

_DESCRIPTIONS: Final = {
    OffloadStrategy.CPU: "There is no GPU: the model runs on the CPU",
    OffloadStrategy.ALL_RESIDENT: "The whole model is on the GPU",
    OffloadStrategy.MODEL_SWAP: "UNet and VAE take turns on the GPU",
    OffloadStrategy.GROUP_OFFLOAD: "The UNet streams through the GPU layer by layer",
}


@dataclass(frozen=True)
class MemoryRequirements:
    """Memory of the loaded networks and of a chunk, in bytes."""

    unet: int
    """Weights."""
    largest_layer: int
    """Weights of the largest layer of the UNet."""
    vae: int
    """Weights."""
    audio: int
    """Weights of the audio encoder, which always stay."""
    denoising: int
    """Activations of the UNet for a whole chunk."""
    face: int
    """Activations of the VAE for one face, without tiling."""
    tiled_face: int
    """The same in tiles of 256 pixels."""

    def denoising_bytes(self, strategy: OffloadStrategy) -> int:
        """What is on the GPU while the UNet runs."""
        vae = self.vae if strategy is OffloadStrategy.ALL_RESIDENT else 0
        streamed = strategy is OffloadStrategy.GROUP_OFFLOAD
        unet = STREAMED_PARTS * self.largest_layer if streamed else self.unet
        return self.audio + vae + unet + self.denoising

    def vae_bytes(self, strategy: OffloadStrategy) -> int:
        """What is on the GPU while the VAE runs, without its activations."""
        unet = self.unet if strategy is OffloadStrategy.ALL_RESIDENT else 0
        return self.audio + unet + self.vae


@dataclass(frozen=True)
class OffloadPlan:
    """A strategy, the sentence that explains why it was chosen, and how the VAE runs."""

    strategy: OffloadStrategy
    reason: str
    faces: int = 1
    """Faces that the VAE takes at a time."""
    tiled: bool = False
    """Whether the VAE works in tiles: less memory, slightly different pixels at their seams."""

    @property
    def notes(self) -> dict[str, str | int | bool]:
        """What the result of a run shows of the plan."""
        return {
            "offload": self.strategy.value,
            "offload_reason": self.reason,
            "vae_faces": self.faces,
            "vae_tiled": self.tiled,
        }


def choose(
    gpu_bytes: int | None,
    required: MemoryRequirements,
    *,
    first: OffloadStrategy = OffloadStrategy.ALL_RESIDENT,
    forced: bool = False,
) -> OffloadPlan:
    """Choose the fastest strategy from `first` on that fits, else the last one.

    `gpu_bytes` is what this process may use, None without a GPU. With `forced`, which an operator
    sets, `first` is used whether it fits or not, and without a GPU too, for tests.
    """
    if gpu_bytes is None:
        strategy = first if forced else OffloadStrategy.CPU
        return OffloadPlan(strategy, f"{_DESCRIPTIONS[strategy]}.")
    available = gpu_bytes - RESERVED_BYTES
    candidates = STRATEGIES[STRATEGIES.index(first) :]
    fitting = (one for one in candidates if _fits(one, available, required))
    strategy = first if forced else next(fitting, candidates[-1])
    free = available - required.vae_bytes(strategy)
    faces = max(1, min(MAX_FACES, free // required.face))
    weights = required.unet + required.vae + required.audio
    reason = (
        f"{_DESCRIPTIONS[strategy]}: {format_gb(weights)} of weights and about "
        f"{format_gb(required.denoising)} of activations in {format_gb(gpu_bytes)}."
    )
    return OffloadPlan(strategy, reason, faces, tiled=free < required.face)


def next_plan(plan: OffloadPlan) -> OffloadPlan | None:
    """The plan after an out-of-memory error: the VAE in tiles, face by face, and less on the GPU.

    None: there is no more to give up.
    """
    if plan.strategy is OffloadStrategy.CPU:
        return None
    smaller = replace(plan, faces=1, tiled=True)
    following = STRATEGIES[STRATEGIES.index(plan.strategy) + 1 :]
    if not following:
        return smaller if smaller != plan else None
    reason = f"{_DESCRIPTIONS[following[0]]}: out of memory with {plan.strategy.value}."
    return replace(smaller, strategy=following[0], reason=reason)


def _fits(strategy: OffloadStrategy, available: int, required: MemoryRequirements) -> bool:
    decoding = required.vae_bytes(strategy) + required.tiled_face
    return max(required.denoising_bytes(strategy), decoding) <= available
