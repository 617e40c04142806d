"""One talking picture, from the framed picture and the features to the frames of the video.

Each clip is denoised, decoded and matched to the colors of the picture; its last frames are where
the next one starts. After an out-of-memory error the clip is computed again: first with one
evaluation at a time, if they were batched, then under a degraded offload plan.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import torch

from models.multitalk.color import match_color
from models.multitalk.sampling.conditioning import condition, to_pixels
from models.multitalk.sampling.evaluations import Evaluations, Voices
from models.multitalk.sampling.step_cache import StepCache
from models.resuming.parts import Parts
from models.wan.sampling.decode import decode_frames

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from models.multitalk.denoiser import TalkingDenoiser
    from models.multitalk.request.resolve import ResolvedRequest
    from models.multitalk.sampling.conditioning import Conditioning
    from models.multitalk.sampling.denoise import ClipDenoiser
    from models.multitalk.sampling.evaluations import Prompts
    from models.multitalk.variants import TalkingVariant
    from models.multitalk.voice.feature_file import FeatureFile
    from models.wan.memory.offload import OffloadManager

    Frame = NDArray[np.uint8]

_MATCHED_AT_ONCE: Final = 4
"""Frames whose colors are matched at a time: in float32 and three color spaces they are large."""


@dataclass
class TalkingRun:
    """A resolved request and what computes it."""

    variant: TalkingVariant
    resolved: ResolvedRequest
    pipe: Any
    denoiser: TalkingDenoiser
    offload: OffloadManager
    features: FeatureFile
    reference: Callable[[int], Frame]
    """The framed picture for a clip that starts at this frame; called with growing numbers."""
    masks: Tensor | None
    """`(3, h, w)` of two people and the background; None: the whole picture follows one voice."""
    prompts: Prompts
    clips: ClipDenoiser
    batched: bool = False
    """Whether the evaluations of a step share one call of the denoiser."""
    parts: Parts = field(default_factory=Parts)
    """The latents of finished clips."""
    notes: dict[str, Any] = field(default_factory=dict)
    """How the denoiser was called, and the offload plan after an out-of-memory error."""
    _degraded: bool = False

    def __post_init__(self) -> None:
        self.notes |= self._notes_of_calls()

    def _notes_of_calls(self) -> dict[str, Any]:
        notes: dict[str, Any] = {}
        if self.batched:
            notes["evaluations_at_once"] = self.resolved.evaluations
        if self.clips.computed:
            notes["steps_computed"] = f"{sum(self.clips.computed)} of {self.resolved.steps}"
        return notes

    def frames(self) -> Generator[Frame]:
        """All frames of the video in order, `(height, width, 3)` BGR."""
        before: list[Frame] = []
        plan = self.resolved.plan
        for clip in range(plan.count):
            reference = self.reference(plan.start(clip))
            frames = self._clip(clip, reference, before)
            before = frames[-plan.overlap :]
            shown = plan.shown(clip)
            yield from frames[shown.start : shown.stop]

    def _clip(self, clip: int, reference: Frame, before: Sequence[Frame]) -> list[Frame]:
        while True:
            try:
                return self._compute(clip, reference, before)
            except torch.OutOfMemoryError:
                if self._degraded:
                    raise
            self._degrade()  # after the block: its traceback keeps the failed run's tensors

    def _compute(self, clip: int, reference: Frame, before: Sequence[Frame]) -> list[Frame]:
        part = self.parts.take(clip)
        if part is None:
            latents = self._denoised(clip, reference, before)
            self.parts.keep(clip, {"latents": latents})
        else:
            latents = part["latents"].to(self.offload.device)
            self.clips.skip(clip)
        return list(self._decoded(latents, reference))

    def _denoised(self, clip: int, reference: Frame, before: Sequence[Frame]) -> Tensor:
        evaluations = Evaluations(
            denoiser=self.denoiser,
            resolved=self.resolved,
            prompts=self.prompts,
            voices=self._voices(clip),
            conditioning=self._conditioning(reference, before),
            masks=self.masks,
            batched=self.batched,
            step_cache=StepCache() if self.clips.computed else None,
        )
        return self.clips.latents(evaluations, clip)

    def _conditioning(self, reference: Frame, before: Sequence[Frame]) -> Conditioning:
        """The first clip starts from the picture; the others also from the frames before them."""
        given = before if before and self.variant.given_motion else [reference]
        motion = before if before or self.variant.given_motion else given
        return condition(self.pipe, given, motion, self.resolved.frames)

    def _voices(self, clip: int) -> Voices:
        start = self.resolved.plan.start(clip)
        windows = self.features.windows(start, self.resolved.frames)
        with torch.no_grad():
            heard = self.denoiser.tokens(windows)
            silent = self.denoiser.tokens(torch.zeros_like(windows))
        return Voices(heard, silent)

    def _decoded(self, latents: Tensor, reference: Frame) -> Generator[Frame]:
        goal = to_pixels(reference)[None, :, None].to(latents.device)
        frames = decode_frames(self.offload.vae, latents)
        while several := list(islice(frames, _MATCHED_AT_ONCE)):
            if self.resolved.color_correction == 0:
                yield from several
                continue
            video = torch.stack([to_pixels(frame) for frame in several], dim=1)[None].to(goal)
            yield from _to_frames(match_color(video, goal, self.resolved.color_correction))

    def _degrade(self) -> None:
        """Take one evaluation at a time, else degrade the offload plan, which is done only once."""
        if self.batched:
            self.batched = False
            self.notes.pop("evaluations_at_once")
            self.offload.free_memory()
            return
        self._degraded = True
        plan = self.offload.degrade()
        if plan is None:
            raise torch.OutOfMemoryError("out of memory, and no strategy needs less of it")
        self.notes |= plan.notes


def _to_frames(video: Tensor) -> Generator[Frame]:
    """Frames `(height, width, 3)` BGR of RGB `(1, 3, n, height, width)` in -1..1."""
    scaled = (video[0].clamp(-1, 1) / 2 + 0.5) * 255
    yield from scaled.round().to(torch.uint8).flip(0).permute(1, 2, 3, 0).cpu().numpy()
