"""The card of wav2lip."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from models import spec
from models.examples import FACE, VOICE
from models.lipsync import input as lipsync
from models.lipsync.error_codes import FACE_AND_VOICE, SPEECH_UNAVAILABLE
from models.spec import Card, License


class Pads(spec.Input):
    """Pixels added to each side of the face rectangle."""

    top: int = Field(default=0, ge=-200, le=200, json_schema_extra=lipsync.PIXELS)
    bottom: int = Field(default=10, ge=-200, le=200, json_schema_extra=lipsync.PIXELS)
    left: int = Field(default=0, ge=-200, le=200, json_schema_extra=lipsync.PIXELS)
    right: int = Field(default=0, ge=-200, le=200, json_schema_extra=lipsync.PIXELS)


class Input(lipsync.Input):
    """A face, as a photo or a video, and the voice or text that it speaks."""

    form_order: ClassVar[tuple[str, ...]] = (
        *lipsync.SOURCE,
        "face",
        "region",
        "pads",
        *lipsync.RESULT,
    )

    pads: Pads = Field(
        default=Pads(),
        description="Pixels added to the rectangle of a face that was detected. More at the bottom "
        "includes the chin, which avoids double mouths. A `region` is used as it is.",
    )


CARD = Card(
    name="wav2lip",
    task="lip-sync",
    summary=(
        "Moves the lips of any face to any voice. Generated faces have 96 x 96 pixels, so large "
        "faces look soft. Not for commercial use."
    ),
    license=License(
        "non-commercial (LRS2)",
        commercial="no",
        url="https://github.com/Rudrabha/Wav2Lip#license-and-citation",
    ),
    input=Input,
    runner="models.wav2lip.runner:Runner",
    queue="wav2lip",
    hardware="CPU, or GPU 2 GB",
    time_limit=timedelta(hours=2),
    weights=Path(__file__).with_name("weights.toml"),
    memory_bytes=1_000_000_000,
    converter="models.wav2lip.checkpoint:convert",
    error_codes=(*FACE_AND_VOICE, SPEECH_UNAVAILABLE),
    example={
        "image": FACE,
        "audio": VOICE,
    },
)
