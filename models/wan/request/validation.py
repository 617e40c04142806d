"""Validation at submission of what a Wan pipeline would round, ignore or reject.

Each function raises `ValueError` with a message for the caller.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.wan.variants import Size, Variant

MEGA: Final = 1_000_000


def check_prompt(prompt: str) -> str:
    """Return the prompt unless it is blank."""
    if not prompt.strip():
        raise ValueError("`prompt` must not be empty")
    return prompt


def check_step(value: int | None, step: int, *, first: int) -> int | None:
    """Return the value if it is `first` plus a multiple of `step`.

    The pipeline would silently round any other value.
    """
    if value is None or value % step == first:
        return value
    below = (value - first) // step * step + first
    kind = f"{step}k + {first}" if first else f"a multiple of {step}"
    raise ValueError(
        f"{value} is not {kind}; the nearest valid values are {below} and {below + step}"
    )


def check_size(size: Size | None, width: int | None, height: int | None, variant: Variant) -> None:
    """Allow a size class, or both sides within the largest class, or nothing."""
    if (width is None) != (height is None):
        raise ValueError("set `width` and `height` together")
    if width is None or height is None:
        return
    if size is not None:
        raise ValueError("set either `size`, or `width` and `height`")
    largest = max(variant.areas.values())
    if width * height > largest:
        raise ValueError(
            f"{width} x {height} is {width * height:,} pixels; the maximum is {largest:,}, "
            "in any aspect ratio"
        )


def max_pixels(size: Size | None, width: int | None, height: int | None, variant: Variant) -> int:
    """The most pixels that a frame can have; the image's aspect ratio can only lower it."""
    if width is not None and height is not None:
        return width * height
    return variant.areas[size or variant.default_size]


def check_fast(steps: int | None, guidance: float | None, variant: Variant) -> None:
    """A distilled LoRA has the guidance baked in and works with few steps only."""
    if guidance not in {None, 1}:
        raise ValueError(
            "`guidance` cannot be set with quality `fast` (it is baked into the distilled LoRA); "
            "omit it or use `best`"
        )
    if steps is not None and variant.fast is not None and steps > variant.fast.max_steps:
        raise ValueError(
            f"quality `fast` is made for {variant.fast.steps} steps and allows at most "
            f"{variant.fast.max_steps}; use `best` for {steps}"
        )


def check_guidance(guidance: float | None, guidance_2: float | None) -> None:
    """The pipeline guides neither expert unless `guidance` is above 1."""
    if guidance_2 is None:
        return
    if guidance is None:
        raise ValueError("`guidance_2` requires `guidance`: set both")
    if guidance <= 1:
        raise ValueError(
            f"`guidance` {guidance:g} turns guidance off in both experts: set it above 1, or "
            "omit `guidance_2`"
        )


def check_unique(ids: Sequence[str]) -> None:
    """No LoRA may be named twice: the second would replace the first."""
    for index, id_ in enumerate(ids):
        if id_ in ids[:index]:
            raise ValueError(f"the LoRA `{id_}` is listed twice; list it once, with its strength")


def check_overlap(overlap: int, segments: int, frames: int) -> None:
    """An overlap needs several segments, and no frame may be in three of them."""
    if overlap > 1 and segments == 1:
        raise ValueError("`overlap` applies only between segments: set `segments`, too")
    if overlap > frames // 2:
        raise ValueError(
            f"an `overlap` of {overlap} is more than half of a segment of {frames} frames; the "
            f"maximum is {frames // 2}"
        )


def check_budget(budget: int, *, pixels: int, frames: int, steps: int, segments: int) -> None:
    """Limit the work of a job, in megapixels x frames x steps x segments."""
    work = pixels * frames * steps * segments / MEGA
    if work > budget:
        raise ValueError(
            f"{pixels / MEGA:.2f} megapixels x {frames} frames x {steps} steps x {segments} "
            f"segments is {work:,.0f}, which is {work - budget:,.0f} above the limit of "
            f"{budget:,} for one job: reduce any of them"
        )
