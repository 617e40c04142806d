"""Resolves a request: fills in every value that the caller left open."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import isqrt
from typing import TYPE_CHECKING, Any, Final, Literal

from models.errors import InputRejected
from models.wan.request.framing import Framing, frame_image
from models.wan.request.input import TwoExpertInput

if TYPE_CHECKING:
    from models.wan.request.input import Input
    from models.wan.variants import Quality, Variant

MAX_ASPECT_RATIO: Final = 3
"""The longer side of a computed frame size over the shorter; no Wan model has seen a longer one."""

MIN_KEPT_SHARE: Final = Fraction(1, 2)
"""The share of the image that cropping to a computed frame size must keep."""


@dataclass(frozen=True)
class ResolvedRequest:
    """The parameters of one job, all of them set."""

    width: int
    height: int
    frames: int
    """Of one segment: 4k + 1."""
    fps: int
    steps: int
    guidance: float
    """1 is off: one pass for each step."""
    guidance_2: float | None
    """Of the low-noise expert; None unless the model has two."""
    shift: float
    seed: int
    quality: Quality
    fit: Literal["crop", "pad"]
    framing: Framing
    """How the first image is placed on the frame."""
    image_size: tuple[int, int]
    """Width and height of the first image, after EXIF orientation."""
    segments: int
    overlap: int
    prompt: str
    negative_prompt: str | None
    """None where guidance is off: nothing would use it."""
    negative_prompt_ignored: bool
    ai_label: bool

    @property
    def total_frames(self) -> int:
        """Frames of the whole clip; adjacent segments share `overlap` frames."""
        return self.segments * self.frames - (self.segments - 1) * self.overlap

    @property
    def total_steps(self) -> int:
        """Denoising steps of all segments."""
        return self.segments * self.steps

    def notes(self) -> dict[str, Any]:
        """What the job shows of the request, as JSON values."""
        notes = {name: getattr(self, name) for name in _NOTE_FIELDS}
        notes |= {
            "image_size": f"{self.image_size[0]} x {self.image_size[1]}",
            "size": f"{self.width} x {self.height}",
            "framing": self.framing.describe(),
        }
        if self.guidance_2 is not None:
            notes["guidance_2"] = self.guidance_2
        if self.segments > 1:
            notes |= {"segments": self.segments, "overlap": self.overlap}
        if self.negative_prompt_ignored:
            notes["negative_prompt"] = "ignored: guidance is 1"
        return notes


_NOTE_FIELDS: Final = ("quality", "seed", "frames", "fps", "steps", "guidance", "shift")


def resolve(params: Input, variant: Variant, image_size: tuple[int, int]) -> ResolvedRequest:
    """Resolve a request for an upright image of this width and height.

    Raises `InputRejected` (`aspect_extreme`) if more than half of the image would be cropped.
    """
    width, height = frame_size(params, variant, image_size)
    guidance, guidance_2 = _guidance(params, variant)
    guided = guidance > 1
    return ResolvedRequest(
        width=width,
        height=height,
        frames=params.frames or variant.frames,
        fps=params.fps or variant.fps,
        steps=params.steps or variant.default_steps(params.quality),
        guidance=guidance,
        guidance_2=guidance_2,
        shift=params.shift or variant.default_shift(params.quality, width * height),
        seed=params.seed,
        quality=params.quality,
        fit=params.fit,
        framing=frame_image(image_size, (width, height), params.fit),
        image_size=image_size,
        segments=params.segments,
        overlap=params.overlap,
        prompt=params.prompt,
        negative_prompt=_negative_prompt(params, variant) if guided else None,
        negative_prompt_ignored=params.negative_prompt is not None and not guided,
        ai_label=params.ai_label,
    )


def frame_size(params: Input, variant: Variant, image_size: tuple[int, int]) -> tuple[int, int]:
    """Width and height of the frames: as requested, or the class's area in the image's ratio.

    As in Wan's `image2video.py`, both sides follow from area and ratio, floored to a multiple.
    A ratio above 3 counts as 3.
    """
    if params.width is not None and params.height is not None:
        return params.width, params.height
    ratio = Fraction(*image_size)
    clamped = min(max(ratio, Fraction(1, MAX_ASPECT_RATIO)), Fraction(MAX_ASPECT_RATIO))
    if params.fit == "crop" and min(ratio / clamped, clamped / ratio) < MIN_KEPT_SHARE:
        raise _aspect_extreme(image_size)
    area = variant.areas[params.size or variant.default_size]
    return _side(area * clamped, variant.multiple), _side(area / clamped, variant.multiple)


def _side(square: Fraction, multiple: int) -> int:
    """The square root floored to the multiple; exact, so that 832 x 480 stays as it is."""
    return isqrt(int(square)) // multiple * multiple


def _guidance(params: Input, variant: Variant) -> tuple[float, float | None]:
    first, second = params.guidance, None
    if isinstance(params, TwoExpertInput):
        second = params.guidance_2
    if params.quality == "fast" and variant.fast is not None:
        first = variant.fast.guidance
    if variant.guidance_2 is None:
        return first or variant.guidance, None
    if first is None:
        return variant.guidance, variant.guidance_2
    return first, second or first


def _negative_prompt(params: Input, variant: Variant) -> str:
    return variant.negative_prompt if params.negative_prompt is None else params.negative_prompt


def _aspect_extreme(image_size: tuple[int, int]) -> InputRejected:
    width, height = image_size
    return InputRejected(
        "aspect_extreme",
        f"The image is {width} x {height}. A clip has an aspect ratio of at most "
        f"{MAX_ASPECT_RATIO}:1, and more than half of the image would be cropped. Set "
        '`fit: "pad"`, set `width` and `height`, or crop the image.',
        field="image",
    )
