"""Denoises one clip: plain Euler steps, with the frames before it held in its first latents."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import torch

from models.multitalk.schedule import TRAINING_STEPS, timesteps
from models.output_checks import check_finite, check_varied
from models.spec import Part, Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from models.multitalk.request.resolve import ResolvedRequest
    from models.multitalk.sampling.evaluations import Evaluations
    from models.spec import Report
    from models.wan.sampling.latent_preview import LatentPreview

PREVIEWS_PER_CLIP: Final = 8
"""About as many previews are drawn of a clip with more steps."""


@dataclass(frozen=True)
class ClipDenoiser:
    """Denoises the clips of one job. The same seed gives the same latents on any device."""

    resolved: ResolvedRequest
    preview: LatentPreview
    report: Report
    noised_motion: bool
    """Whether the frames before a clip are noised to each step's time, else pasted clean."""
    computed: Sequence[bool] = ()
    """Whether each step is computed, with a step cache; else all are."""

    def latents(self, evaluations: Evaluations, clip: int) -> Tensor:
        """Denoise a clip; returns normalized latents `(1, 16, f, h, w)`."""
        condition = evaluations.conditioning.condition
        noise = self._noise(condition, clip)
        times = timesteps(self.resolved.steps, self.resolved.shift).to(condition.device)
        motion = evaluations.conditioning.motion
        latent = noise
        self._report(clip, 0)
        for step, (time, following) in enumerate(pairwise(times)):
            latent = self._with_motion(latent, motion, noise, time)
            velocity = evaluations.velocity(latent, time, computed=self._computed(step))
            clean = latent - velocity * (time / TRAINING_STEPS)
            latent = latent - velocity * ((time - following) / TRAINING_STEPS)
            if step == 0:
                check_varied(velocity, "the denoiser")
            if step in {0, self.resolved.steps - 1}:
                check_finite(latent, f"step {step + 1} of the denoiser")
            self._report(clip, step + 1, clean)
        return self._with_motion(latent, motion, noise, times[-1])[None]

    def _computed(self, step: int) -> bool:
        return not self.computed or self.computed[step]

    def skip(self, clip: int) -> None:
        """Report a clip that an earlier attempt has denoised."""
        self._report(clip, 0)
        self._report(clip, self.resolved.steps)

    def _noise(self, like: Tensor, clip: int) -> Tensor:
        """Fresh noise for each clip, `(16, f, h, w)`, drawn on the CPU."""
        generator = torch.Generator("cpu").manual_seed(self.resolved.seed + clip)
        shape = like.shape[1] - 4, *like.shape[2:]
        return torch.randn(shape, generator=generator).to(like.device)

    def _with_motion(
        self, latent: Tensor, motion: Tensor | None, noise: Tensor, time: Tensor
    ) -> Tensor:
        """Replace the first latent frames by those before the clip."""
        if motion is None:
            return latent
        count = motion.shape[1]
        if self.noised_motion:
            share = time / TRAINING_STEPS
            motion = (1 - share) * motion + share * noise[:, :count]
        return torch.cat([motion, latent[:, count:]], dim=1)

    def _report(self, clip: int, step: int, clean: Tensor | None = None) -> None:
        every = max(1, self.resolved.steps // PREVIEWS_PER_CLIP)
        drawn = clean is not None and (step % every == 0 or step == self.resolved.steps)
        self.report(
            Stage.GENERATING,
            clip * self.resolved.steps + step,
            self.resolved.total_steps,
            preview=partial(self.preview.jpeg, clean[None])
            if drawn and clean is not None
            else None,
            part=Part(clip + 1, self.resolved.plan.count),
        )
