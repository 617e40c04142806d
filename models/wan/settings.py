"""Settings of the Wan models on a worker: `KINOMILL_WAN_...`, read from environment variables.

Everything is off by default, and none of it has run on a GPU yet.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import AfterValidator
from pydantic_settings import SettingsConfigDict

from models.wan.memory.offload_plan import OffloadStrategy
from runtime.config.base import SettingsBase

if TYPE_CHECKING:
    from collections.abc import Iterator

OffloadChoice = Literal[
    "auto", "all_resident", "text_encoder_offload", "expert_swap", "group_offload", "fp8_offload"
]
"""An offload strategy for GPUs, or `auto`. To run on the CPU, hide the GPU."""

_FIRST_BLOCK = re.compile(r"first_block:(0?\.\d*[1-9]\d*)")


def _step_cache(text: str) -> str:
    if text.lower() == "off":
        return "off"
    if _FIRST_BLOCK.fullmatch(text) is None:
        raise ValueError("should be off, or first_block and a share below 1: first_block:0.1")
    return text


class WanSettings(SettingsBase):
    """Speed and memory of the Wan models on this worker."""

    model_config = SettingsConfigDict(env_prefix="KINOMILL_WAN_")

    step_cache: Annotated[str, AfterValidator(_step_cache)] = "off"
    """`first_block:0.1` skips most blocks of a denoiser at steps where the output of its first
    block changes by less than that share. Faster, but the video differs; `off` is exact."""
    compile: bool = False
    """Compile the repeated block of the denoisers at the first job: takes minutes once, then each
    job is faster. Needs triton and a C compiler, which our images do not contain."""
    offload: OffloadChoice = "auto"
    """What stays in GPU memory: `auto` measures and chooses; `all_resident`,
    `text_encoder_offload`, `expert_swap`, `group_offload` and `fp8_offload` set it. After an
    out-of-memory error the next strategy in this list is used in any case."""

    @property
    def cache_threshold(self) -> float | None:
        """The share of change below which blocks are skipped; None: never."""
        return None if self.step_cache == "off" else float(self.step_cache.partition(":")[2])

    def without_shortcuts(self) -> Self:
        """These settings without step cache and compilation."""
        return self.model_copy(update={"step_cache": "off", "compile": False})

    def excluded_by_several_gpus(self) -> Iterator[tuple[str, str]]:
        """Settings that several GPUs for one job exclude, each with the reason."""
        if self.cache_threshold is not None:
            reason = "else each GPU would decide for itself which blocks to skip"
            yield "KINOMILL_WAN_STEP_CACHE", reason
        if self.compile:
            yield "KINOMILL_WAN_COMPILE", "it was not tried together"

    @property
    def forced_strategy(self) -> OffloadStrategy | None:
        """The offload strategy that the operator set; None: `auto`."""
        return None if self.offload == "auto" else OffloadStrategy(self.offload)
