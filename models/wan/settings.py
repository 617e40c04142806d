"""Settings of the Wan models on a worker: `KINOMILL_WAN_...`, read from environment variables.

Everything is off by default, and none of it has run on a GPU yet.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from models.wan.memory.offload_plan import OffloadStrategy

_FIRST_BLOCK = "first_block"


class WanSettings(BaseSettings):
    """Speed and memory of the Wan models on this worker."""

    model_config = SettingsConfigDict(
        env_prefix="KINOMILL_WAN_",
        frozen=True,
        extra="ignore",
    )

    step_cache: str = "off"
    """`first_block:0.1` skips most blocks of a denoiser at steps where the output of its first
    block changes by less than that share. Faster, but the video differs; `off` is exact."""
    compile: bool = False
    """Compile the repeated block of the denoisers at the first job: takes minutes once, then each
    job is faster. Needs triton and a C compiler, which our images do not contain."""
    offload: Literal["auto"] | OffloadStrategy = "auto"
    """What stays in GPU memory: `auto` measures and chooses; `all_resident`,
    `text_encoder_offload`, `expert_swap`, `group_offload` and `fp8_offload` set it. After an
    out-of-memory error the next strategy in this list is used in any case."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.offload is OffloadStrategy.CPU:
            raise ValueError("offload cannot be cpu: hide the GPU to run on the CPU")
        if self.step_cache != "off":
            name, _, threshold = self.step_cache.partition(":")
            if name != _FIRST_BLOCK or not 0 < float(threshold or 0) < 1:
                raise ValueError("step_cache must be off or first_block:<share between 0 and 1>")
        return self

    @property
    def cache_threshold(self) -> float | None:
        """The share of change below which blocks are skipped; None: never."""
        return None if self.step_cache == "off" else float(self.step_cache.partition(":")[2])

    @property
    def forced_strategy(self) -> OffloadStrategy | None:
        """The offload strategy that the operator set; None: `auto`."""
        return None if self.offload == "auto" else self.offload
