"""Input schemas of the models for background removal. Free of any media library."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from models import spec
from models.spec import AnyImageUri, ImageUri

Output = Literal["rgba", "map", "color", "blur", "image", "overlay"]
PictureFormat = Literal["png", "webp", "jpeg"]

WHITE = (255, 255, 255)
LOOK = ("output", "background", "color", "format", "mode", "resize")
"""What a form asks for after the media."""


class CompositeInput(spec.Input):
    """What becomes of the foreground and of the background, the same for pictures and clips."""

    output: Output = Field(
        default="rgba",
        description="`rgba`: the foreground, transparent around it. `map`: the opacity as gray. "
        "`color`, `blur`, `image`: the foreground over a color, over its own blurred background, "
        "or over `background`. `overlay`: the whole picture with the foreground tinted.",
    )
    color: str | None = Field(
        default=None,
        pattern="^#[0-9A-Fa-f]{6}$",
        description="Background of the output `color`, such as `#00ff00`. Default: white.",
    )
    background: ImageUri | None = Field(
        default=None,
        description="Background of the output `image`, which it covers; the rest is cropped.",
    )
    threshold: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Hard edges: an opacity above this becomes 1, all else 0. Default: soft edges.",
    )
    reverse: bool = Field(default=False, description="Swap foreground and background.")
    refine_foreground: bool = Field(
        default=True,
        description="Remove the old background's color from soft edges of the output `rgba`.",
    )

    @property
    def rgb(self) -> tuple[int, int, int]:
        """Red, green and blue of `color`."""
        if self.color is None:
            return WHITE
        red, green, blue = bytes.fromhex(self.color.removeprefix("#"))
        return red, green, blue

    @model_validator(mode="after")
    def _check_background(self) -> Self:
        if (self.output == "image") != (self.background is not None):
            raise ValueError("`background` belongs to the output `image`: set both, or none")
        if self.output != "color" and self.color is not None:
            raise ValueError("`color` belongs to the output `color`: set `output`, or omit `color`")
        return self


class PictureInput(CompositeInput):
    """A picture whose background is removed."""

    form_order: ClassVar[tuple[str, ...]] = ("image", *LOOK)

    image: AnyImageUri = Field(
        description="The picture, of any size from 1 x 1 pixel. EXIF orientation is applied, "
        "transparency is composited on white, 16 bits are reduced to 8."
    )
    mode: Literal["auto", "base", "fast"] = Field(
        default="auto",
        description="`base` is exact, `fast` sees less detail and is quicker. `auto`: `fast` for "
        "small pictures, on which it is better, else `base`.",
    )
    resize: Literal["static", "dynamic"] = Field(
        default="static",
        description="How the network sees the picture: at its own square size, or (`dynamic`) in "
        "the proportions and up to the size of the picture, which is slower and less stable.",
    )
    format: PictureFormat = Field(
        default="png",
        description="File format of the result. `jpeg` has no transparency, so it needs another "
        "output than `rgba`.",
    )

    @model_validator(mode="after")
    def _check_format(self) -> Self:
        if self.format == "jpeg" and self.output == "rgba":
            raise ValueError(
                "`jpeg` has no transparency: set `format` to `png` or `webp`, or another `output`"
            )
        return self
