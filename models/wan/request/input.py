"""Input schemas of the image-to-video models. Free of any media library: the API imports them.

A field that is None stands for the model's default; `resolve.resolve` fills it in, and the job
shows the result.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from models import spec
from models.marking.input_field import AiLabel
from models.spec import ImageUri
from models.wan.request import validation
from models.wan.variants import WAN2_1_I2V, WAN2_2_I2V, Quality, Size, Variant

if TYPE_CHECKING:
    from pydantic.config import JsonDict

SEEDS = 2**32

Side = Annotated[int, Field(ge=64, le=1920, json_schema_extra={"multipleOf": 16, "x-unit": "px"})]
Strength = Annotated[float, Field(ge=-2, le=2)]
FRAMES: JsonDict = {"x-unit": "frames"}

_SCENE = ("prompt", "negative_prompt", "quality", "size", "seed", "loras")
_LENGTH = ("frames", "fps", "segments", "overlap", "width", "height", "fit", "steps")


def random_seed() -> int:
    """A seed for a job without one: drawn once at submission, so that the job shows it."""
    return secrets.randbelow(SEEDS)


class Lora(spec.Input):
    """A LoRA of the operator's catalog."""

    id: str = Field(
        pattern=r"^[a-z0-9][a-z0-9-]{0,63}$",
        description="Id in the operator's catalog; paths and URLs are not accepted.",
    )
    strength: Strength = Field(default=1.0, description="How strongly it changes the model.")


class ExpertLora(Lora):
    """A LoRA of the operator's catalog, with a strength for each of two experts."""

    strength_2: Strength | None = Field(
        default=None, description="Strength in the low-noise expert. Default: `strength`."
    )


class Input(spec.Input):
    """An image, and a prompt that describes what happens in it."""

    variant: ClassVar[Variant] = WAN2_1_I2V
    form_order: ClassVar[tuple[str, ...]] = ("image", *_SCENE, *_LENGTH)

    image: ImageUri = Field(
        description="The first frame. EXIF orientation is applied, transparency is composited on "
        "white, and the aspect ratio is kept."
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
        description="What should not appear. Default: the model authors' list. No effect where "
        "guidance is 1, as with `fast`.",
    )
    quality: Quality = Field(
        default="best",
        description="`best`: the model's own schedule. `fast`: a distilled LoRA with 4 steps and "
        "without guidance, about twenty times less work.",
    )
    size: Size | None = Field(
        default=None,
        description="Pixels per frame: those of 480 x 832 or 720 x 1280, in the aspect ratio of "
        "the image. Default: 480p. Set this, or `width` and `height`.",
    )
    width: Side | None = Field(
        default=None, description="Exact width in pixels, together with `height`."
    )
    height: Side | None = Field(
        default=None, description="Exact height in pixels, together with `width`."
    )
    fit: Literal["crop", "pad"] = Field(
        default="crop",
        description="If the image has another aspect ratio than the video: `crop` it around its "
        "center, or `pad` it with a blurred copy of itself. Up to 1/16 is cropped in both cases.",
    )
    frames: int | None = Field(
        default=None,
        ge=5,
        le=161,
        json_schema_extra=FRAMES,
        description="Frames of one segment: 4k + 1, such as 49, 81 or 121. Default: 81.",
    )
    fps: int | None = Field(
        default=None,
        ge=4,
        le=60,
        json_schema_extra={"x-unit": "fps"},
        description="Frames per second of the video. Default: the model's own rate; another rate "
        "plays the same frames faster or slower.",
    )
    steps: int | None = Field(
        default=None,
        ge=1,
        le=100,
        description="Denoising steps. Default: those of the schedule. At most 12 with `fast`.",
    )
    guidance: float | None = Field(
        default=None,
        ge=1,
        le=20,
        description="How strictly the video follows the prompt; 1 turns guidance off and halves "
        "the work. Default: the model's own; only 1 with `fast`.",
    )
    shift: float | None = Field(
        default=None,
        ge=0.1,
        le=20,
        description="Flow shift: a higher value spends more steps on large shapes and motion. "
        "Default: the model's own for the size.",
    )
    seed: int = Field(
        default_factory=random_seed,
        ge=0,
        lt=SEEDS,
        description="The same seed gives the same video. Default: a random one, which the job "
        "shows.",
    )
    loras: Sequence[Lora] = Field(default=(), max_length=4, description="LoRAs to add, each once.")
    segments: int = Field(
        default=1,
        ge=1,
        le=8,
        description="Number of clips, each of which continues from the end of the one before it. "
        "The prompt is the same for all.",
    )
    overlap: int = Field(
        default=1,
        ge=1,
        le=16,
        json_schema_extra=FRAMES,
        description="Frames that two segments share and that are blended; 1 continues from the "
        "last frame. The video has segments * frames - (segments - 1) * overlap frames.",
    )
    ai_label: AiLabel = False

    @classmethod
    def frames_for(cls, seconds: float, fps: int | None) -> int | None:
        """The nearest number of frames that the VAE can encode: 4k + 1, at least 5."""
        step = cls.variant.temporal_scale
        return step * max(round((seconds * (fps or cls.variant.fps) - 1) / step), 1) + 1

    @classmethod
    def sides_for(cls, width: int, height: int) -> tuple[int, int]:
        """Both rounded to what the VAE and the patches of the model divide."""
        multiple = cls.variant.multiple
        columns, rows = (max(round(side / multiple), 1) for side in (width, height))
        return columns * multiple, rows * multiple

    def work(self, voice_seconds: float | None) -> float | None:
        """Steps x frames x pixels, twice that with guidance."""
        variant = self.variant
        guided = self.quality != "fast" and (self.guidance or variant.guidance) > 1
        steps = self.steps or variant.default_steps(self.quality)
        frames = (self.frames or variant.frames) * self.segments
        pixels = validation.max_pixels(self.size, self.width, self.height, variant)
        return float(steps * frames * pixels * (2 if guided else 1))

    @field_validator("prompt")
    @classmethod
    def _check_prompt(cls, prompt: str) -> str:
        return validation.check_prompt(prompt)

    @field_validator("width", "height")
    @classmethod
    def _check_side(cls, side: int | None) -> int | None:
        return validation.check_step(side, cls.variant.multiple, first=0)

    @field_validator("frames")
    @classmethod
    def _check_frames(cls, frames: int | None) -> int | None:
        return validation.check_step(frames, cls.variant.temporal_scale, first=1)

    @model_validator(mode="after")
    def _check_size(self) -> Self:
        validation.check_size(self.size, self.width, self.height, self.variant)
        return self

    @model_validator(mode="after")
    def _check_fast(self) -> Self:
        if self.quality == "fast":
            validation.check_fast(self.steps, self.guidance, self.variant)
        return self

    @model_validator(mode="after")
    def _check_loras_and_overlap(self) -> Self:
        validation.check_unique([lora.id for lora in self.loras])
        validation.check_overlap(self.overlap, self.segments, self.frames or self.variant.frames)
        return self

    @model_validator(mode="after")
    def _check_budget(self) -> Self:
        validation.check_budget(
            self.variant.budget,
            pixels=validation.max_pixels(self.size, self.width, self.height, self.variant),
            frames=self.frames or self.variant.frames,
            steps=self.steps or self.variant.default_steps(self.quality),
            segments=self.segments,
        )
        return self


class FirstLastInput(Input):
    """An image, a prompt that describes what happens in it, and optionally the last image."""

    form_order: ClassVar[tuple[str, ...]] = ("image", "last_image", *_SCENE, *_LENGTH)

    last_image: ImageUri | None = Field(
        default=None,
        description="The last frame. It is fitted to the size that `image` determines. With "
        "several segments it ends the last one.",
    )


class TwoExpertInput(FirstLastInput):
    """An image, a prompt that describes what happens in it, and optionally the last image."""

    variant: ClassVar[Variant] = WAN2_2_I2V
    form_order: ClassVar[tuple[str, ...]] = (*FirstLastInput.form_order, "guidance", "guidance_2")

    guidance_2: float | None = Field(
        default=None,
        ge=1,
        le=20,
        description="Guidance of the low-noise expert, which draws the details. Default: "
        "`guidance`, if that is set. Only together with a `guidance` above 1.",
    )
    loras: Sequence[ExpertLora] = Field(
        default=(), max_length=4, description="LoRAs to add, each once."
    )

    @model_validator(mode="after")
    def _check_guidance(self) -> Self:
        validation.check_guidance(self.guidance, self.guidance_2)
        return self
