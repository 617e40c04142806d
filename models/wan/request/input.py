"""What every image-to-video model may be asked for; free of any media library.

A field that is None stands for the model's own value; `resolve.resolve` fills it in, and the job
shows what came of it.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from models import spec
from models.spec import ImageUri
from models.wan.request import validation
from models.wan.variants import WAN2_1_I2V, WAN2_2_I2V, Quality, Size, Variant

SEEDS = 2**32

Side = Annotated[int, Field(ge=64, le=1920, json_schema_extra={"multipleOf": 16})]
Strength = Annotated[float, Field(ge=-2, le=2)]


def draw_seed() -> int:
    """A seed for a job that names none: drawn once at submit, so that the job shows it."""
    return secrets.randbelow(SEEDS)


class Lora(spec.Input):
    """A LoRA of the operator's catalog."""

    id: str = Field(
        pattern=r"^[a-z0-9][a-z0-9-]{0,63}$",
        description="Its id in the operator's catalog; a path or an address is not accepted.",
    )
    strength: Strength = Field(default=1.0, description="How much it changes the model.")


class ExpertLora(Lora):
    """A LoRA of the operator's catalog, for a model of two experts."""

    strength_2: Strength | None = Field(
        default=None, description="Its strength in the low-noise expert; the same if not given."
    )


class Input(spec.Input):
    """A picture, and in words what shall happen in it."""

    variant: ClassVar[Variant] = WAN2_1_I2V

    image: ImageUri = Field(
        description="The first frame. It is turned upright as EXIF says; transparent parts lie on "
        "white; it is never squashed."
    )
    prompt: str = Field(
        min_length=1,
        max_length=2000,
        description="What happens, and how the camera moves. At most 512 tokens, counted by the "
        "worker: about 2,000 characters of English.",
    )
    negative_prompt: str | None = Field(
        default=None,
        max_length=2000,
        description="What must not be seen. The authors' own list if not given. Without effect "
        "where guidance is 1, as with `fast`.",
    )
    quality: Quality = Field(
        default="best",
        description="`best`: the model's own schedule. `fast`: a distilled LoRA with 4 steps and "
        "without guidance, about twenty times less work.",
    )
    size: Size | None = Field(
        default=None,
        description="How many pixels a frame has: those of 480 x 832 or 720 x 1280, in the "
        "picture's own ratio. 480p if not given. Give this, or `width` and `height`.",
    )
    width: Side | None = Field(
        default=None, description="Exact width in pixels, together with `height`."
    )
    height: Side | None = Field(
        default=None, description="Exact height in pixels, together with `width`."
    )
    fit: Literal["crop", "pad"] = Field(
        default="crop",
        description="Where the picture has another ratio than the result: cut it about its "
        "middle, or show it whole before a blurred copy of itself. Up to 1/16 is cut in both "
        "cases.",
    )
    frames: int | None = Field(
        default=None,
        ge=5,
        le=161,
        description="Frames of one segment: 4k + 1, as 49, 81 or 121. 81 if not given.",
    )
    fps: int | None = Field(
        default=None,
        ge=4,
        le=60,
        description="Frames a second of the result. Another rate than the model's own, which is "
        "taken if not given, shows the same frames faster or slower.",
    )
    steps: int | None = Field(
        default=None,
        ge=1,
        le=100,
        description="Denoising steps; the schedule's own if not given. At most 12 with `fast`.",
    )
    guidance: float | None = Field(
        default=None,
        ge=1,
        le=20,
        description="How strictly the prompt is followed; 1 is off and halves the work. The "
        "model's own if not given; only 1 with `fast`.",
    )
    shift: float | None = Field(
        default=None,
        ge=0.1,
        le=20,
        description="Flow shift: a higher one spends more steps on the large shapes and the "
        "motion. The model's own for the size if not given.",
    )
    seed: int = Field(
        default_factory=draw_seed,
        ge=0,
        lt=SEEDS,
        description="The same seed gives the same video. One is drawn if not given; the job shows "
        "it.",
    )
    loras: Sequence[Lora] = Field(default=(), max_length=4, description="LoRAs to add, each once.")
    segments: int = Field(
        default=1,
        ge=1,
        le=8,
        description="How many clips are made one after another, each from the end of the one "
        "before it. The prompt is the same for all.",
    )
    overlap: int = Field(
        default=1,
        ge=1,
        le=16,
        description="Frames that two segments share and that are blended; 1 goes on from the last "
        "frame. The whole has segments * frames - (segments - 1) * overlap frames.",
    )

    @field_validator("prompt")
    @classmethod
    def _said(cls, prompt: str) -> str:
        return validation.said(prompt)

    @field_validator("width", "height")
    @classmethod
    def _whole_patches(cls, side: int | None) -> int | None:
        return validation.on_grid(side, cls.variant.multiple, first=0)

    @field_validator("frames")
    @classmethod
    def _whole_chunks(cls, frames: int | None) -> int | None:
        return validation.on_grid(frames, cls.variant.chunk, first=1)

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        validation.one_size(self.size, self.width, self.height, self.variant)
        return self

    @model_validator(mode="after")
    def _fast_alone(self) -> Self:
        if self.quality == "fast":
            validation.fast(self.steps, self.guidance, self.variant)
        return self

    @model_validator(mode="after")
    def _joined_well(self) -> Self:
        validation.each_once([lora.id for lora in self.loras])
        validation.seam(self.overlap, self.segments, self.frames or self.variant.frames)
        return self

    @model_validator(mode="after")
    def _within_budget(self) -> Self:
        validation.within(
            self.variant.budget,
            pixels=validation.pixels(self.size, self.width, self.height, self.variant),
            frames=self.frames or self.variant.frames,
            steps=self.steps or self.variant.steps_of(self.quality),
            segments=self.segments,
        )
        return self


class FirstLastInput(Input):
    """A picture, in words what shall happen in it, and perhaps the picture that it ends with."""

    last_image: ImageUri | None = Field(
        default=None,
        description="The last frame. It is fitted to the size that `image` asks for. With several "
        "segments it ends the last one.",
    )


class TwoExpertInput(FirstLastInput):
    """A picture, in words what shall happen in it, and perhaps the picture that it ends with."""

    variant: ClassVar[Variant] = WAN2_2_I2V

    guidance_2: float | None = Field(
        default=None,
        ge=1,
        le=20,
        description="Guidance of the low-noise expert, which draws the details. `guidance` is "
        "taken if that alone is given. Only together with a `guidance` above 1.",
    )
    loras: Sequence[ExpertLora] = Field(
        default=(), max_length=4, description="LoRAs to add, each once."
    )

    @model_validator(mode="after")
    def _guided_together(self) -> Self:
        validation.guided_together(self.guidance, self.guidance_2)
        return self
