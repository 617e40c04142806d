"""What a job comes to: each value that the caller left open, settled and told."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import isqrt
from typing import TYPE_CHECKING, Any, Final, Literal

from models.errors import InputRejected
from models.wan.request.framing import Placement, placed
from models.wan.request.input import TwoExpertInput

if TYPE_CHECKING:
    from models.wan.request.input import Input
    from models.wan.variants import Quality, Variant

LONGEST_RATIO: Final = 3
"""The most that a chosen frame is longer than it is wide; no Wan model has seen a longer one."""

LEAST_KEPT: Final = Fraction(1, 2)
"""A frame that follows the picture's ratio never cuts away more than this share of it."""


@dataclass(frozen=True)
class Resolved:
    """One job of a Wan model, without a question left."""

    width: int
    height: int
    frames: int
    """Of one segment: 4k + 1."""
    fps: int
    steps: int
    guidance: float
    """1 is off: one pass a step."""
    guidance_2: float | None
    """Of the low-noise expert; None unless the model has two."""
    shift: float
    seed: int
    quality: Quality
    fit: Literal["crop", "pad"]
    placement: Placement
    """How the first picture comes onto the frame."""
    picture: tuple[int, int]
    """Width and height of the first picture, upright."""
    segments: int
    overlap: int
    prompt: str
    negative_prompt: str | None
    """None where guidance is off, since nothing would look at it."""
    negative_prompt_ignored: bool

    @property
    def total_frames(self) -> int:
        """Frames of the whole clip; segments share their seams."""
        return self.segments * self.frames - (self.segments - 1) * self.overlap

    @property
    def total_steps(self) -> int:
        """Denoising steps of all segments."""
        return self.segments * self.steps

    def notes(self) -> dict[str, Any]:
        """What the caller sees of it, plain enough for JSON."""
        told = {name: getattr(self, name) for name in _TOLD}
        told |= {
            "picture": f"{self.picture[0]} x {self.picture[1]}",
            "size": f"{self.width} x {self.height}",
            "placement": self.placement.sentence(),
        }
        if self.guidance_2 is not None:
            told["guidance_2"] = self.guidance_2
        if self.segments > 1:
            told |= {"segments": self.segments, "overlap": self.overlap}
        if self.negative_prompt_ignored:
            told["negative_prompt"] = "not looked at: guidance is 1"
        return told


_TOLD: Final = ("quality", "seed", "frames", "fps", "steps", "guidance", "shift")


def resolve(params: Input, variant: Variant, picture_size: tuple[int, int]) -> Resolved:
    """Settle a job for a picture of this width and height, upright.

    Raises `aspect_extreme` for a picture of which a frame of its own ratio would lose half.
    """
    width, height = frame_size(params, variant, picture_size)
    guidance, guidance_2 = _guidance(params, variant)
    guided = guidance > 1
    return Resolved(
        width=width,
        height=height,
        frames=params.frames or variant.frames,
        fps=params.fps or variant.fps,
        steps=params.steps or variant.steps_of(params.quality),
        guidance=guidance,
        guidance_2=guidance_2,
        shift=params.shift or variant.shift_of(params.quality, width * height),
        seed=params.seed,
        quality=params.quality,
        fit=params.fit,
        placement=placed(picture_size, (width, height), params.fit),
        picture=picture_size,
        segments=params.segments,
        overlap=params.overlap,
        prompt=params.prompt,
        negative_prompt=_negative(params, variant) if guided else None,
        negative_prompt_ignored=params.negative_prompt is not None and not guided,
    )


def frame_size(params: Input, variant: Variant, picture_size: tuple[int, int]) -> tuple[int, int]:
    """Width and height of the frames: the caller's own, or the class's area in the picture's ratio.

    As Wan's `image2video.py` does it: both sides from area and ratio, floored to the multiple.
    A ratio beyond 3 is taken as 3.
    """
    if params.width is not None and params.height is not None:
        return params.width, params.height
    ratio = Fraction(*picture_size)
    clamped = min(max(ratio, Fraction(1, LONGEST_RATIO)), Fraction(LONGEST_RATIO))
    if params.fit == "crop" and min(ratio / clamped, clamped / ratio) < LEAST_KEPT:
        raise _extreme(picture_size)
    area = variant.areas[params.size or variant.size]
    return _side(area * clamped, variant.multiple), _side(area / clamped, variant.multiple)


def _side(square: Fraction, multiple: int) -> int:
    """The root, floored to the multiple; exact, so that 832 x 480 stays what it is."""
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


def _negative(params: Input, variant: Variant) -> str:
    return variant.negative_prompt if params.negative_prompt is None else params.negative_prompt


def _extreme(picture_size: tuple[int, int]) -> InputRejected:
    width, height = picture_size
    return InputRejected(
        "aspect_extreme",
        f"The picture is {width} x {height}: a clip is at most {LONGEST_RATIO} times as long as "
        'wide, and more than half of the picture would be cut away. Ask for `fit: "pad"`, for a '
        "`width` and `height` of your own, or cut the picture.",
        field="image",
    )
