"""One call of the pipeline: from noise to latents, reported at each step, stopped between steps."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import cv2
import torch
from PIL import Image

from models.output_checks import check_finite, check_varied
from models.spec import Part, Stage
from models.wan.loading.loaded import TRANSFORMERS
from models.wan.sampling.schedule import LOW_NOISE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from models.spec import Report
    from models.wan.request.resolve import ResolvedRequest
    from models.wan.sampling.latent_preview import LatentPreview

PREVIEWS_PER_RUN: Final = 12
"""About as many previews are drawn of a run with more steps; a shorter one draws each step."""
EXPERT_NAMES: Final = ("high_noise", "low_noise")


@dataclass(frozen=True)
class SegmentInput:
    """The images that a segment starts and ends with."""

    number: int
    """Number of the segment, from 0."""
    first: NDArray[np.uint8]
    """Its first frame, `(height, width, 3)` BGR of the resolved size."""
    last: NDArray[np.uint8] | None = None
    """Its last frame, if one is given."""


@dataclass(frozen=True)
class PromptEmbeds:
    """The embeddings of the prompts `(1, 512, width)`, on the device that denoises."""

    prompt: Tensor
    negative: Tensor | None
    """None where guidance is off."""


@dataclass(frozen=True)
class Denoiser:
    """Denoises the segments of one job. The same seed gives the same latents on any device."""

    pipe: Any
    resolved: ResolvedRequest
    experts: Sequence[int]
    """The expert of each step, `HIGH_NOISE` or `LOW_NOISE`."""
    prompt_embeds: PromptEmbeds
    preview: LatentPreview
    report: Report
    session: Callable[[], AbstractContextManager[None]] = nullcontext
    """Within it the experts are called; it may share these calls among several GPUs."""

    def latents(self, segment: SegmentInput) -> Tensor:
        """Denoise a segment; returns normalized latents `(1, channels, n, height, width)`.

        An exception of `report` propagates at once: the pipeline's own way to stop would still
        decode, and return a video as if nothing had happened.
        """
        resolved = self.resolved
        self._report(segment, 0)
        hooks = [expert.register_forward_hook(_FirstPrediction()) for expert in _experts(self.pipe)]
        try:
            with self.session():
                latents: Tensor = self.pipe(
                    image=_pil(segment.first),
                    last_image=None if segment.last is None else _pil(segment.last),
                    prompt_embeds=self.prompt_embeds.prompt,
                    negative_prompt_embeds=self.prompt_embeds.negative,
                    height=resolved.height,
                    width=resolved.width,
                    num_frames=resolved.frames,
                    num_inference_steps=resolved.steps,
                    guidance_scale=resolved.guidance,
                    guidance_scale_2=resolved.guidance_2,
                    generator=torch.Generator("cpu").manual_seed(resolved.seed + segment.number),
                    callback_on_step_end=self._after_step(segment),
                    output_type="latent",
                ).frames
        finally:
            for hook in hooks:
                hook.remove()
            self.pipe.maybe_free_model_hooks()
        return latents

    def _after_step(self, segment: SegmentInput) -> Any:
        def report(pipe: Any, step: int, _: object, tensors: dict[str, Any]) -> dict[str, Any]:
            if self._is_checked(step):
                check_finite(tensors["latents"], f"step {step + 1} of the denoiser")
            self._report(segment, step + 1, _predicted_sample(pipe, tensors["latents"]))
            return tensors

        return report

    def _report(self, segment: SegmentInput, step: int, latents: Tensor | None = None) -> None:
        preview = None
        if latents is not None and self._has_preview(step):
            preview = partial(self.preview.jpeg, latents)
        self.report(
            Stage.GENERATING,
            segment.number * self.resolved.steps + step,
            self.resolved.total_steps,
            preview=preview,
            notes=self._expert_change(step),
            part=Part(segment.number + 1, self.resolved.segments),
        )

    def _is_checked(self, step: int) -> bool:
        """Whether the latents after this step are checked, which waits for a GPU: after the first
        step of each expert, and after the last one.
        """
        before = self.experts[max(0, step - 1)]
        return step in {0, self.resolved.steps - 1} or self.experts[step] != before

    def _has_preview(self, step: int) -> bool:
        every = max(1, self.resolved.steps // PREVIEWS_PER_RUN)
        return step % every == 0 or step == self.resolved.steps

    def _expert_change(self, step: int) -> dict[str, str] | None:
        """A note with the expert that runs from this step on, if it changes here."""
        if LOW_NOISE not in self.experts or step == len(self.experts):
            return None
        if step and self.experts[step] == self.experts[step - 1]:
            return None
        return {"expert": EXPERT_NAMES[self.experts[step]]}


@dataclass
class _FirstPrediction:
    """Checks what an expert predicts first: zeros would leave the noise as it is, as a video."""

    _checked: bool = False

    def __call__(self, _module: object, _inputs: object, output: tuple[Tensor, ...]) -> None:
        if not self._checked:
            self._checked = True
            check_varied(output[0], "the denoiser")


def _experts(pipe: Any) -> list[Any]:
    return [one for name in TRANSFORMERS if (one := getattr(pipe, name, None)) is not None]


def _predicted_sample(pipe: Any, latents: Tensor) -> Tensor:
    """The solver's prediction of the denoised latents: it shows an image long before the end."""
    predictions = getattr(pipe.scheduler, "model_outputs", None) or [None]
    return latents if predictions[-1] is None else predictions[-1]


def _pil(frame: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
