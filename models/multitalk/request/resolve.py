"""Resolves a request: fills in every value that the caller left open."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any, Final

from models.errors import InputRejected
from models.multitalk.request import sizes
from models.wan.request.framing import Framing, frame_image

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from models.multitalk.request.input import Input
    from models.multitalk.variants import TalkingVariant
    from models.wan.variants import Quality

_NOTE_FIELDS: Final = (
    *("quality", "seed", "steps", "guidance", "audio_guidance", "shift", "color_correction"),
)


@dataclass(frozen=True)
class ClipPlan:
    """How a video of any length is made of clips of one length, each continued by the next."""

    total: int
    """Frames of the video: as many as the voice fills."""
    frames: int
    """Of one clip."""
    overlap: int
    """Last frames of a clip, from which the next one continues; they are not shown again."""

    @property
    def count(self) -> int:
        """The number of clips."""
        rest = max(0, self.total - self.frames)
        return 1 + ceil(rest / (self.frames - self.overlap))

    def start(self, clip: int) -> int:
        """The number of a clip's first frame in the video."""
        return clip * (self.frames - self.overlap)

    def shown(self, clip: int) -> range:
        """The frames of a clip that are part of the video, counted from its own first one."""
        return range(self.overlap if clip else 0, min(self.frames, self.total - self.start(clip)))


@dataclass(frozen=True)
class ResolvedRequest:
    """The parameters of one job, all of them set, for a picture of one size."""

    framing: Framing
    """How the picture is placed on the frame."""
    plan: ClipPlan
    quality: Quality
    seed: int
    steps: int
    guidance: float
    """By text; 1 is off."""
    audio_guidance: float
    """By the voice; 0: it is not heard."""
    adaptive: bool
    step_cache: float | None
    """Threshold of TeaCache; None: off."""
    step_polynomial: Sequence[float]
    """Of TeaCache, for this resolution."""
    shift: float
    color_correction: float
    prompt: str
    negative_prompt: str
    lora: str | None
    """The distilled LoRA of quality `fast`."""
    negative_prompt_ignored: bool
    ai_label: bool

    @property
    def width(self) -> int:
        """Of the frame, in pixels."""
        return self.framing.frame_size[0]

    @property
    def height(self) -> int:
        """Of the frame, in pixels."""
        return self.framing.frame_size[1]

    @property
    def frames(self) -> int:
        """Frames of one clip."""
        return self.plan.frames

    @property
    def evaluations(self) -> int:
        """Evaluations of the network for each step."""
        if self.audio_guidance == 0:
            return 2 if self.guidance > 1 else 1
        if self.guidance > 1:
            return 3
        return 1 if self.audio_guidance == 1 else 2

    @property
    def kept_states(self) -> int:
        """Hidden states that are kept from step to step: one for each evaluation."""
        return self.evaluations if self.step_cache else 0

    @property
    def total_steps(self) -> int:
        """Denoising steps of all clips."""
        return self.plan.count * self.steps

    def notes(self) -> dict[str, Any]:
        """What the job shows of the request, as JSON values."""
        notes = {name: getattr(self, name) for name in _NOTE_FIELDS}
        notes |= {
            "size": f"{self.width} x {self.height}",
            "framing": self.framing.describe(),
            "clips": self.plan.count,
        }
        if self.adaptive:
            notes["guidance_kind"] = "adaptive projected"
        if self.negative_prompt_ignored:
            notes["negative_prompt"] = "ignored: guidance is 1"
        return notes


def resolve(
    params: Input,
    variant: TalkingVariant,
    *,
    image_size: tuple[int, int],
    frames: int,
    loras: Collection[str],
) -> ResolvedRequest:
    """Resolve a request for a picture of this width and height and a voice of so many frames.

    `loras` are the ids that the worker has. Raises `unknown_lora` for `fast` without one.
    """
    distilled = _distilled(variant, loras) if params.quality == "fast" else None
    fast = None if distilled is None else variant.fast[distilled]
    guidance = 1.0 if fast else params.guidance or variant.guidance
    heard = fast.audio_guidance if fast else variant.audio_guidance
    negative = params.negative_prompt
    size = sizes.nearest(*image_size, variant.areas[params.resolution])
    return ResolvedRequest(
        framing=frame_image(image_size, size, "crop"),
        plan=ClipPlan(frames, variant.clip_frames, variant.motion_frames),
        quality=params.quality,
        seed=params.seed,
        steps=params.steps or (fast.steps if fast else variant.steps),
        guidance=guidance,
        audio_guidance=heard if params.audio_guidance is None else params.audio_guidance,
        adaptive=params.adaptive_guidance,
        step_cache=params.step_cache,
        step_polynomial=variant.step_cache[params.resolution],
        shift=params.shift or (fast.shift if fast else variant.shift[params.resolution]),
        color_correction=params.color_correction,
        prompt=params.prompt,
        negative_prompt=variant.base.negative_prompt if negative is None else negative,
        lora=distilled,
        negative_prompt_ignored=negative is not None and guidance == 1,
        ai_label=params.ai_label,
    )


def _distilled(variant: TalkingVariant, loras: Collection[str]) -> str:
    for id_ in variant.fast:
        if id_ in loras:
            return id_
    raise InputRejected(
        "unknown_lora",
        f"This worker has no distilled LoRA ({' or '.join(variant.fast)}): use quality `best`.",
        field="quality",
    )
