"""One call of the pipeline: from noise to latents, told step by step, stopped between two."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import cv2
import torch
from PIL import Image

from models.spec import Stage
from models.wan.sampling.schedule import LOW

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from models.spec import Report
    from models.wan.request.resolve import Resolved
    from models.wan.sampling.latent_preview import Glimpse

GLIMPSES: Final = 12
"""A run of many steps shows about so many previews; a short one shows each step."""
EXPERTS: Final = ("high_noise", "low_noise")


@dataclass(frozen=True)
class Shot:
    """What one segment starts from."""

    number: int
    """Of the segment, from 0."""
    first: NDArray[np.uint8]
    """Its first frame, `(height, width, 3)` BGR of the resolved size."""
    last: NDArray[np.uint8] | None = None
    """Its last frame, if it shall end with one."""


@dataclass(frozen=True)
class Words:
    """The embeddings of the prompts `(1, 512, width)`, on the device that denoises."""

    prompt: Tensor
    negative: Tensor | None
    """None where guidance is off."""


@dataclass(frozen=True)
class Denoiser:
    """Denoises the segments of one job. Same seed, same latents, on any device."""

    pipe: Any
    resolved: Resolved
    experts: Sequence[int]
    """Which expert runs each step."""
    words: Words
    glimpse: Glimpse
    report: Report

    def latents(self, shot: Shot) -> Tensor:
        """Latents `(1, channels, n, height, width)` of a segment, normalized.

        What `report` raises comes through at once: the pipeline's own way to stop would still
        decode, and return a video as if nothing had happened.
        """
        resolved = self.resolved
        self._tell(shot, 0)
        try:
            made: Tensor = self.pipe(
                image=_pil(shot.first),
                last_image=None if shot.last is None else _pil(shot.last),
                prompt_embeds=self.words.prompt,
                negative_prompt_embeds=self.words.negative,
                height=resolved.height,
                width=resolved.width,
                num_frames=resolved.frames,
                num_inference_steps=resolved.steps,
                guidance_scale=resolved.guidance,
                guidance_scale_2=resolved.guidance_2,
                generator=torch.Generator("cpu").manual_seed(resolved.seed + shot.number),
                callback_on_step_end=self._after_step(shot),
                output_type="latent",
            ).frames
        finally:
            self.pipe.maybe_free_model_hooks()
        return made

    def _after_step(self, shot: Shot) -> Any:
        def tell(pipe: Any, step: int, _: object, tensors: dict[str, Any]) -> dict[str, Any]:
            self._tell(shot, step + 1, _clearest(pipe, tensors["latents"]))
            return tensors

        return tell

    def _tell(self, shot: Shot, step: int, latents: Tensor | None = None) -> None:
        preview = None
        if latents is not None and self._shown(step):
            preview = partial(self.glimpse.jpeg, latents)
        self.report(
            Stage.GENERATING,
            shot.number * self.resolved.steps + step,
            self.resolved.total_steps,
            preview=preview,
            notes=self._news(step),
        )

    def _shown(self, step: int) -> bool:
        every = max(1, self.resolved.steps // GLIMPSES)
        return step % every == 0 or step == self.resolved.steps

    def _news(self, step: int) -> dict[str, str] | None:
        """Which expert works from now on, where that changes."""
        if LOW not in self.experts or step == len(self.experts):
            return None
        if step and self.experts[step] == self.experts[step - 1]:
            return None
        return {"expert": EXPERTS[self.experts[step]]}


def _clearest(pipe: Any, latents: Tensor) -> Tensor:
    """What the solver expects at the end of all steps, which shows a picture long before them."""
    expected = getattr(pipe.scheduler, "model_outputs", None) or [None]
    return latents if expected[-1] is None else expected[-1]


def _pil(frame: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
