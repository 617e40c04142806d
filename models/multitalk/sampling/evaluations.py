"""The evaluations of one step, with and without text and voice, and their combination."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import torch

from models.multitalk.guidance import AdaptiveProjectedGuidance

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from torch import Tensor

    from models.multitalk.denoiser import TalkingDenoiser
    from models.multitalk.request.resolve import ResolvedRequest
    from models.multitalk.sampling.conditioning import Conditioning
    from models.multitalk.sampling.step_cache import StepCache

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
    """Evaluates the denoiser for one clip, in one call for each evaluation or for all of a step.

    With guidance by text there are three a step: all, without text, without text and voice; else
    two: all, and without voice. What does not change the result is not computed.
    """

    denoiser: TalkingDenoiser
    resolved: ResolvedRequest
    prompts: Prompts
    voices: Voices
    conditioning: Conditioning
    masks: Tensor | None
    batched: bool = False
    """Whether the evaluations of a step share one call. They need as much more memory."""
    step_cache: StepCache | None = None
    """None: every step is computed."""
    _by_text: AdaptiveProjectedGuidance = field(default_factory=new_buffer)
    _by_voice: AdaptiveProjectedGuidance = field(default_factory=new_buffer)

    @torch.no_grad()
    def velocity(self, latent: Tensor, time: Tensor, *, computed: bool = True) -> Tensor:
        """The guided velocity of a latent `(16, f, h, w)`, in float32.

        Not `computed`: with what the blocks added at the last step that was.
        """
        full, *others = self._evaluate_all(latent, time, computed)
        if not others:
            return full
        if self.resolved.audio_guidance == 0:
            return others[0] + self.resolved.guidance * (full - others[0])
        plain = others[0] if len(others) > 1 else full
        return self._combined(full, plain, others[-1])

    def _inputs(self) -> list[tuple[Tensor, Tensor]]:
        """Text and voice of each evaluation: with both, without text, without both.

        With audio guidance 0 nothing of the voice may reach the result.
        """
        prompts, voices, heard = self.prompts, self.voices, self.resolved.audio_guidance
        if heard == 0:
            return [
                (text, voices.silent)
                for text in (prompts.prompt, prompts.negative)
                if text is not None
            ]
        inputs = [(prompts.prompt, voices.heard)]
        if prompts.negative is not None:
            inputs += [(prompts.negative, voices.heard), (prompts.negative, voices.silent)]
        elif heard != 1:
            inputs += [(prompts.prompt, voices.silent)]
        return inputs

    def _combined(self, full: Tensor, plain: Tensor, base: Tensor) -> Tensor:
        """Guide from `base` without text and voice over `plain` without text to `full`."""
        text, voice = self.resolved.guidance, self.resolved.audio_guidance
        if not self.resolved.adaptive:
            return base + text * (full - plain) + voice * (plain - base)
        guided = full + (voice - 1) * self._by_voice(plain - base, full)
        return guided if text == 1 else guided + (text - 1) * self._by_text(full - plain, full)

    def _evaluate_all(self, latent: Tensor, time: Tensor, computed: bool) -> list[Tensor]:
        inputs = self._inputs()
        if not self.batched:
            return [
                self._evaluate(latent, time, each, number, computed)[0]
                for number, each in enumerate(inputs)
            ]
        texts, tokens = zip(*inputs, strict=True)
        together = torch.cat(texts), torch.cat(tokens)
        return list(self._evaluate(latent, time, together, 0, computed))

    def _evaluate(
        self,
        latent: Tensor,
        time: Tensor,
        heard: tuple[Tensor, Tensor],
        number: int,
        computed: bool,
    ) -> Tensor:
        """The velocities `(B, 16, f, h, w)` with B texts and voices."""
        text, tokens = heard
        condition, samples = self.conditioning, len(text)
        hidden = torch.cat([latent[None], condition.condition], dim=1)
        with self._cached(number, computed):
            velocity: Tensor = self.denoiser(
                hidden.expand(samples, -1, -1, -1, -1),
                time.expand(samples),
                text,
                condition.image_embeds.expand(samples, -1, -1),
                tokens,
                self.masks,
            )
        return velocity.float()

    def _cached(self, number: int, computed: bool) -> AbstractContextManager[None]:
        if self.step_cache is None:
            return nullcontext()
        return self.step_cache.used(self.denoiser.transformer, number, computed=computed)
