"""A loaded pipeline with its LoRAs, and the names of its denoisers (the experts)."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from models.wan.loading.parameter_diffs import ParameterDiffs

if TYPE_CHECKING:
    from pathlib import Path

    from diffusers import WanImageToVideoPipeline

    from models.wan.variants import Variant

TRANSFORMERS = ("transformer", "transformer_2")
"""Component names of the high-noise and the low-noise expert, which are also their folders."""


@dataclass(frozen=True)
class LoraSpec:
    """One LoRA of a job. Strength 1 is as published; 0 is off."""

    id: str
    strength: float = 1.0
    """In the only expert, or in the high-noise one."""
    strength_2: float | None = None
    """In the low-noise expert; None: the same as `strength`."""


@dataclass(eq=False)
class LoadedPipeline:
    """A complete pipeline in main memory; `OffloadManager` moves its components to the GPU."""

    pipe: WanImageToVideoPipeline
    variant: Variant
    folder: Path
    """The folder of weights that it was loaded from."""
    quantized: bool
    """Whether its experts are GGUF: a LoRA cannot be fused into those."""
    formats: dict[str, str]
    """Format of each component, for the notes of a job: `{"experts": "GGUF Q5_0", ...}`."""
    active_loras: tuple[LoraSpec, ...] = ()
    """Set by `models.wan.lora.adapters` only."""
    fused: bool = False
    """Whether the active LoRAs are merged into the experts."""
    diffs: defaultdict[str, ParameterDiffs] = field(
        default_factory=lambda: defaultdict(ParameterDiffs)
    )
    """What LoRAs change beside matrices, by component."""

    @property
    def experts(self) -> dict[str, Any]:
        """The denoisers by component name, in the order in which sampling uses them."""
        names = TRANSFORMERS[: self.variant.experts]
        return {name: getattr(self.pipe, name) for name in names}
