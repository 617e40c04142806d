"""The card of musetalk."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from models.examples import FACE, VOICE
from models.lipsync import input as lipsync
from models.lipsync.error_codes import FACE_AND_VOICE, SPEECH_UNAVAILABLE
from models.spec import Card, License


class Input(lipsync.Input):
    """A face, as a photo or a video, and the voice or text that it speaks."""

    form_order: ClassVar[tuple[str, ...]] = (
        *lipsync.SOURCE,
        "mask",
        "cheek_width",
        "face",
        "region",
        *lipsync.RESULT,
    )

    mask: Literal["jaw", "raw", "neck"] = Field(
        default="jaw",
        description="Which part of the face is replaced, if the worker has the face parser: "
        "`jaw` follows the chin, `raw` is skin and lips only, `neck` includes the neck. Without "
        "the parser it is an oval around mouth and chin.",
    )
    cheek_width: int = Field(
        default=90,
        ge=20,
        le=160,
        description="Distance from the center up to which the cheeks are replaced, in 1/512 of "
        "the face's square. Only with the face parser.",
    )


CARD = Card(
    name="musetalk",
    task="lip-sync",
    summary=(
        "Moves the lips of any face to any voice with one pass of a UNet; faces of 256 x 256 "
        "pixels. Commercial use is allowed."
    ),
    license=License(
        "MIT; weights for any purpose",
        commercial="yes",
        url="https://github.com/TMElyralab/MuseTalk#disclaimerlicense",
    ),
    input=Input,
    runner="models.musetalk.runner:Runner",
    queue="musetalk",
    hardware="GPU 6 GB",
    time_limit=timedelta(hours=2),
    weights=Path(__file__).with_name("weights.toml"),
    memory_bytes=6_000_000_000,
    error_codes=(*FACE_AND_VOICE, SPEECH_UNAVAILABLE),
    example={
        "image": FACE,
        "audio": VOICE,
    },
)
