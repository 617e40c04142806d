"""The card of wan2.2-ti2v-5b. Free of torch and of any media library."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from models.examples import FACE
from models.spec import Card, License
from models.wan.error_codes import ERROR_CODES
from models.wan.request import input as wan
from models.wan.variants import WAN2_2_TI2V_5B, Variant

Side = Annotated[int, Field(ge=64, le=1920, json_schema_extra={"multipleOf": 32, "x-unit": "px"})]


class Input(wan.Input):
    """An image, and a prompt that describes what happens in it."""

    variant: ClassVar[Variant] = WAN2_2_TI2V_5B

    quality: Literal["best"] = Field(
        default="best",
        description="The model's own schedule; this model has no distilled LoRA.",
    )
    size: Literal["720p"] | None = Field(
        default=None,
        description="Pixels per frame: those of 704 x 1280, in the aspect ratio of the image. "
        "Set this, or `width` and `height`, or nothing.",
    )
    width: Side | None = Field(
        default=None, description="Exact width in pixels, together with `height`."
    )
    height: Side | None = Field(
        default=None, description="Exact height in pixels, together with `width`."
    )
    frames: int | None = Field(
        default=None,
        ge=5,
        le=241,
        json_schema_extra=wan.FRAMES,
        description="Frames of one segment: 4k + 1, such as 49, 81 or 121. Default: 121.",
    )


CARD = Card(
    name="wan2.2-ti2v-5b",
    task="image-to-video",
    summary=(
        "Animates an image as a prompt describes, 5 seconds at 720p and 24 frames per second, with "
        "one denoiser of 5 billion parameters: the smallest and fastest of the Wan models."
    ),
    license=License(
        "Apache-2.0",
        commercial="yes",
        url="https://github.com/Wan-Video/Wan2.2/blob/main/LICENSE.txt",
    ),
    input=Input,
    runner="models.wan.runner:wan2_2_ti2v_5b",
    queue="wan2.2-ti2v-5b",
    hardware="GPU 24 GB",
    time_limit=timedelta(hours=6),
    stall_limit=timedelta(minutes=15),
    weights=Path(__file__).with_name("weights.toml"),
    memory_bytes=20_000_000_000,
    error_codes=ERROR_CODES,
    shares_gpus=True,
    example={
        "image": FACE,
        "prompt": "She smiles, turns her head to the left and looks back into the camera.",
    },
)
