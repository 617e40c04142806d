"""What others may know of musetalk: free of any media library."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field

from models.examples import FACE, VOICE
from models.lipsync import input as lipsync
from models.lipsync.error_codes import FACE_AND_VOICE, SPEECH_UNAVAILABLE
from models.spec import Card, License


class Input(lipsync.Input):
    """A face, as a photo or a clip, and the voice that it shall speak with."""

    mask: Literal["jaw", "raw", "neck"] = Field(
        default="jaw",
        description="Which part of the face is replaced, where the operator has pulled the face "
        "parser: `jaw` follows the chin, `raw` is skin and lips alone, `neck` takes in the neck. "
        "Without the parser it is an oval about mouth and chin.",
    )
    cheek_width: int = Field(
        default=90,
        ge=20,
        le=160,
        description="How far from the middle the cheeks are taken in, in 1/512 of the face's "
        "square. Only with the face parser.",
    )


CARD = Card(
    name="musetalk",
    task="lip-sync",
    summary=(
        "Moves the lips of any face to any voice in faces of 256 pixels, by one pass of a UNet. "
        "For commercial use, too."
    ),
    license=License(
        "MIT; weights for any purpose",
        commercial=True,
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
