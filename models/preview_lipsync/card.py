"""The card of preview-lipsync."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from pydantic import Field

from models.examples import FACE, VOICE
from models.lipsync.error_codes import FACE_AND_VOICE
from models.lipsync.input import PIXELS, RESULT, FaceAndVoice
from models.marking.source_type import DigitalSourceType
from models.spec import Card, License


class Input(FaceAndVoice):
    """A face, as a photo or a video, and the voice that it speaks."""

    form_order: ClassVar[tuple[str, ...]] = ("image", "video", "audio", "openness", *RESULT)

    openness: float = Field(
        default=1.0,
        ge=0,
        le=2,
        description="How far the mouth opens: 0 not at all, 1 as in speech, 2 exaggerated.",
    )
    max_side: int = Field(
        default=1280,
        ge=128,
        le=1920,
        json_schema_extra=PIXELS,
        description="Longest side of the result in pixels. A larger source is scaled down.",
    )


CARD = Card(
    name="preview-lipsync",
    task="lip-sync",
    summary=(
        "A fast preview without a neural network: finds the mouth in a photo or video and opens "
        "it with the loudness of the voice, without regard to phonemes."
    ),
    license=License("Apache-2.0", commercial="yes"),
    input=Input,
    runner="models.preview_lipsync.runner:Runner",
    queue="preview-lipsync",
    hardware="CPU",
    digital_source_type=DigitalSourceType.ALGORITHMIC,
    time_limit=timedelta(minutes=30),
    error_codes=FACE_AND_VOICE,
    example={
        "image": FACE,
        "audio": VOICE,
        "openness": 1.0,
    },
)
