"""What a Wan pipeline would round, ignore or refuse, said at submit in a sentence each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.wan.variants import Size, Variant

MEGA: Final = 1_000_000


def said(prompt: str) -> str:
    """The prompt, if there is more in it than blanks."""
    if not prompt.strip():
        raise ValueError("say in words what shall happen")
    return prompt


def on_grid(value: int | None, step: int, *, first: int) -> int | None:
    """The value, if it is `first` and some whole steps; the pipeline would round it in silence."""
    if value is None or value % step == first:
        return value
    below = (value - first) // step * step + first
    kind = f"{step}k + {first}" if first else f"a multiple of {step}"
    raise ValueError(f"{value} is not {kind}: the nearest are {below} and {below + step}")


def one_size(size: Size | None, width: int | None, height: int | None, variant: Variant) -> None:
    """A class of sizes, or both sides within the largest class, or nothing."""
    if (width is None) != (height is None):
        raise ValueError("give `width` and `height` together")
    if width is None or height is None:
        return
    if size is not None:
        raise ValueError("give either `size`, or `width` and `height`")
    largest = max(variant.areas.values())
    if width * height > largest:
        raise ValueError(
            f"{width} x {height} is {width * height:,} pixels: the most are {largest:,}, "
            "in any ratio"
        )


def pixels(size: Size | None, width: int | None, height: int | None, variant: Variant) -> int:
    """The most pixels that a frame may come to have; the picture's ratio can only lower it."""
    if width is not None and height is not None:
        return width * height
    return variant.areas[size or variant.size]


def fast(steps: int | None, guidance: float | None, variant: Variant) -> None:
    """A distilled LoRA has the guidance within it, and knows few steps only."""
    if guidance not in {None, 1}:
        raise ValueError(
            f"with `fast` the guidance is within the LoRA: leave `guidance` away, or take `best` "
            f"for {guidance:g}"
        )
    if steps is not None and variant.fast is not None and steps > variant.fast.most_steps:
        raise ValueError(
            f"`fast` is made for {variant.fast.steps} steps and takes at most "
            f"{variant.fast.most_steps}: take `best` for {steps}"
        )


def guided_together(guidance: float | None, guidance_2: float | None) -> None:
    """The pipeline guides neither expert unless `guidance` is above 1."""
    if guidance_2 is None:
        return
    if guidance is None:
        raise ValueError("`guidance_2` stands beside `guidance`: give both")
    if guidance <= 1:
        raise ValueError(
            f"`guidance` {guidance:g} turns guidance off in both experts: raise it above 1, or "
            "leave `guidance_2` away"
        )


def each_once(ids: Sequence[str]) -> None:
    """No LoRA is named twice: the second would take the place of the first."""
    for index, id_ in enumerate(ids):
        if id_ in ids[:index]:
            raise ValueError(f"the LoRA `{id_}` is named twice: give it once, with its strength")


def seam(overlap: int, segments: int, frames: int) -> None:
    """Segments share frames only if there are several, and no frame lies in three of them."""
    if overlap > 1 and segments == 1:
        raise ValueError("`overlap` speaks of the seam of two segments: set `segments`, too")
    if overlap > frames // 2:
        raise ValueError(
            f"an `overlap` of {overlap} is more than half of a segment of {frames} frames: the "
            f"most is {frames // 2}"
        )


def within(budget: int, *, pixels: int, frames: int, steps: int, segments: int) -> None:
    """The work of a job is bounded as a product, in megapixels x frames x steps x segments."""
    work = pixels * frames * steps * segments / MEGA
    if work > budget:
        raise ValueError(
            f"{pixels / MEGA:.2f} megapixels x {frames} frames x {steps} steps x {segments} "
            f"segments is {work:,.0f}, which is {work - budget:,.0f} above the {budget:,} of one "
            "job: ask for less of any of them"
        )
