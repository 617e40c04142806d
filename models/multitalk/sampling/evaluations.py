"""The evaluations of one step, with and without text and voice, and their combination."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import torch

from models.multitalk.guidance import AdaptiveProjectedGuidance

if TYPE_CHECKING:
    from torch import Tensor

    from models.multitalk.denoiser import TalkingDenoiser
    from models.multitalk.request.resolve import ResolvedRequest
    from models.multitalk.sampling.conditioning import Conditioning

_MOMENTUM: Final = -0.75
_NORM_THRESHOLD: Final = 55.0


@dataclass(frozen=True)
class Prompts:
    """Embeddings of the prompts `(1, 512, width)`, on the device that denoises."""

    prompt: Tensor
    negative: Tensor | None
    """None where guidance by text is off."""


@dataclass(frozen=True)
class Voices:
    """Audio tokens of one clip, `(1, latent frames, tokens, width)`."""

    heard: Tensor
    silent: Tensor
    """Of sound that is zero."""


def new_buffer() -> AdaptiveProjectedGuidance:
    """Adaptive guidance of one difference, with the authors' numbers."""
    return AdaptiveProjectedGuidance(_MOMENTUM, 0.0, _NORM_THRESHOLD)


@dataclass
class Evaluations:
    """Evaluates the denoiser for one clip. Evaluations run one after another.

    With guidance by text there are three a step: all, without text, without text and voice; else
    two: all, and without voice. What does not change the result is not computed.
    """

    denoiser: TalkingDenoiser
    resolved: ResolvedRequest
    prompts: Prompts
    voices: Voices
    conditioning: Conditioning
    masks: Tensor | None
    _by_text: AdaptiveProjectedGuidance = field(default_factory=new_buffer)
    _by_voice: AdaptiveProjectedGuidance = field(default_factory=new_buffer)

    @torch.no_grad()
    def velocity(self, latent: Tensor, time: Tensor) -> Tensor:
        """The guided velocity of a latent `(16, f, h, w)`, in float32."""
        heard = self.resolved.audio_guidance
        if heard == 0:
            return self._without_voice(latent, time)
        full = self._evaluate(latent, time, self.prompts.prompt, self.voices.heard)
        if self.prompts.negative is not None:
            plain = self._evaluate(latent, time, self.prompts.negative, self.voices.heard)
            base = self._evaluate(latent, time, self.prompts.negative, self.voices.silent)
            return self._combined(full, plain, base)
        if heard == 1:
            return full
        base = self._evaluate(latent, time, self.prompts.prompt, self.voices.silent)
        return self._combined(full, full, base)

    def _without_voice(self, latent: Tensor, time: Tensor) -> Tensor:
        """Guided by text alone: nothing of the voice may reach the result."""
        full = self._evaluate(latent, time, self.prompts.prompt, self.voices.silent)
        if self.prompts.negative is None:
            return full
        base = self._evaluate(latent, time, self.prompts.negative, self.voices.silent)
        return base + self.resolved.guidance * (full - base)

    def _combined(self, full: Tensor, plain: Tensor, base: Tensor) -> Tensor:
        """Guide from `base` without text and voice over `plain` without text to `full`."""
        text, voice = self.resolved.guidance, self.resolved.audio_guidance
        if not self.resolved.adaptive:
            return base + text * (full - plain) + voice * (plain - base)
        guided = full + (voice - 1) * self._by_voice(plain - base, full)
        return guided if text == 1 else guided + (text - 1) * self._by_text(full - plain, full)

    def _evaluate(self, latent: Tensor, time: Tensor, text: Tensor, tokens: Tensor) -> Tensor:
        condition = self.conditioning
        hidden = torch.cat([latent[None], condition.condition], dim=1)
        velocity: Tensor = self.denoiser(
            hidden, time.view(1), text, condition.image_embeds, tokens, self.masks
        )
        return velocity[0].float()
