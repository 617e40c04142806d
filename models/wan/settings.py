"""What an operator may set of the Wan models: `KINOMILL_WAN_...` in the worker's environment.

All of it is off unless set, and none of it has run on a GPU yet.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from models.wan.memory.offload_plan import Rung

_FIRST_BLOCK = "first_block"


class WanSettings(BaseSettings):
    """Speed and memory of the Wan models on this worker."""

    model_config = SettingsConfigDict(
        env_prefix="KINOMILL_WAN_",
        frozen=True,
        extra="ignore",
        use_attribute_docstrings=True,
    )

    step_cache: str = "off"
    """`first_block:0.1` leaves out most of a denoiser's blocks at steps that change its first
    block's output by less than that share. Faster and not the same video; `off` is exact."""
    compile: bool = False
    """Compile the repeated block of the denoisers at the first job: minutes once, then faster.
    Needs triton and a C compiler, which our images do not hold."""
    plan: Literal["auto"] | Rung = "auto"
    """How the model lies in the GPU's memory: `auto` measures; `all_resident`,
    `text_encoder_away`, `one_expert`, `group_offload` and `fp8_offload` decide. After an
    out-of-memory the next of them is taken all the same."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.plan is Rung.CPU:
            raise ValueError("plan says how a GPU is used: take it away to run on the CPU")
        if self.step_cache != "off":
            name, _, threshold = self.step_cache.partition(":")
            if name != _FIRST_BLOCK or not 0 < float(threshold or 0) < 1:
                raise ValueError("step_cache must be off, or first_block:<a share from 0 to 1>")
        return self

    @property
    def cache_threshold(self) -> float | None:
        """The share of change below which blocks are left out; None: never."""
        return None if self.step_cache == "off" else float(self.step_cache.partition(":")[2])
