"""Settings of LatentSync on a worker: `KINOMILL_LATENTSYNC_...`, read from environment variables.

None of it has run on a GPU yet.
"""

from __future__ import annotations

from typing import Literal

from pydantic_settings import SettingsConfigDict

from models.latentsync.memory.offload_plan import OffloadStrategy
from runtime.config.base import SettingsBase

OffloadChoice = Literal["auto", "all_resident", "model_swap", "group_offload"]
"""An offload strategy for GPUs, or `auto`. To run on the CPU, hide the GPU."""

NumberFormat = Literal["auto", "float16", "bfloat16", "float32"]
"""A number format of UNet and VAE, or `auto`."""


class LatentSyncSettings(SettingsBase):
    """Memory and precision of LatentSync on this worker."""

    model_config = SettingsConfigDict(env_prefix="KINOMILL_LATENTSYNC_")

    offload: OffloadChoice = "auto"
    """What stays in GPU memory: `auto` measures and chooses before each run; `all_resident`,
    `model_swap` and `group_offload` set it. After an out-of-memory error the next strategy in this
    list is used in any case, with the VAE in tiles."""
    number_format: NumberFormat = "auto"
    """`auto` is `float16` on a GPU from Ampere on, else `float32`. `bfloat16` has the same size as
    `float16`, less precision and no overflow. What is not finite is computed again in `float32`."""

    @property
    def forced_strategy(self) -> OffloadStrategy | None:
        """The offload strategy that the operator set; None: `auto`."""
        return None if self.offload == "auto" else OffloadStrategy(self.offload)
