"""The input of inspyrenet-video. Imports no media library."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from models.cutout.input import LOOK, CompositeInput
from models.spec import VideoUri  # noqa: TC001 - pydantic reads it when the class is made

Normalize = Literal["clip", "frame", "none"]
Temporal = Literal["off", "fast", "flow"]


class ClipInput(CompositeInput):
    """A clip whose background is removed."""

    form_order: ClassVar[tuple[str, ...]] = ("video", *LOOK, "max_side")

    video: VideoUri = Field(
        description="The clip. Its sound, the time of each frame and its rotation are kept."
    )
    mode: Literal["auto", "base", "fast"] = Field(
        default="auto",
        description="`base` is exact, `fast` sees less detail and is quicker. `auto`: `fast` for "
        "small clips, on which it is better, else `base`.",
    )
    resize: Literal["static", "dynamic"] = Field(
        default="static",
        description="How the network sees a frame: at its own square size, or (`dynamic`) in the "
        "proportions and up to the size of the frame, which is slower and less stable.",
    )
    normalize: Normalize = Field(
        default="clip",
        description="How the network's opacity is stretched to its full range: `clip` by the "
        "frames around each one, leaving empty frames empty; `frame` each on its own, which makes "
        "noise of empty ones; `none`: not at all.",
    )
    temporal: Temporal = Field(
        default="fast",
        description="Steady edges: `fast` averages over time where the picture stands still, "
        "`flow` also where it moves, `off` treats each frame alone.",
    )
    refine_edges: bool = Field(
        default=False, description="Move soft edges onto the edges of the picture."
    )
    max_side: int = Field(
        default=3840,
        ge=64,
        le=4096,
        json_schema_extra={"x-unit": "px"},
        description="Longest side of the result in pixels. A larger clip is scaled down.",
    )
    format: Literal["webm", "mov", "mp4", "png_zip"] = Field(
        default="webm",
        description="`webm`: VP9 with transparency, for browsers (not Safari). `mov`: ProRes 4444 "
        "with transparency, for editing. `png_zip`: a picture for each frame. `mp4`: plays "
        "everywhere but has no transparency, so it needs another output than `rgba`.",
    )

    @model_validator(mode="after")
    def _check_format(self) -> Self:
        if self.format == "mp4" and self.output == "rgba":
            raise ValueError(
                "`mp4` has no transparency: set `format` to `webm`, `mov` or `png_zip`, or another "
                "`output`"
            )
        return self
