"""What others may know of wav2lip: free of any media library."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from pydantic import Field

from models import spec
from models.examples import FACE, VOICE
from models.lipsync import input as lipsync
from models.lipsync.error_codes import FACE_AND_VOICE, SPEECH_UNAVAILABLE
from models.spec import Card, License


class Pads(spec.Input):
    """Pixels by which the face's rectangle grows on each side."""

    top: int = Field(default=0, ge=-200, le=200)
    bottom: int = Field(default=10, ge=-200, le=200)
    left: int = Field(default=0, ge=-200, le=200)
    right: int = Field(default=0, ge=-200, le=200)


class Input(lipsync.Input):
    """A face, as a photo or a clip, and the voice that it shall speak with."""

    pads: Pads = Field(
        default=Pads(),
        description="Pixels added to the face's rectangle. More at the bottom takes in the chin, "
        "which cures double mouths.",
    )


CARD = Card(
    name="wav2lip",
    task="lip-sync",
    summary=(
        "Moves the lips of any face to any voice. Its faces are 96 pixels wide: soft where they "
        "are large. Not for commercial use."
    ),
    license=License(
        "non-commercial (LRS2)",
        commercial=False,
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
