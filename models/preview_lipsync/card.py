"""What others may know of preview-lipsync: free of any media library."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, model_validator

from models import spec
from models.spec import AudioUri, Card, ImageUri, License, VideoUri


class Input(spec.Input):
    """A face, as a photo or a clip, and the voice that it shall speak with."""

    image: ImageUri | None = Field(
        default=None, description="A photo with an upright face. Give this or `video`."
    )
    video: VideoUri | None = Field(
        default=None,
        description="A clip with an upright face; its own sound is dropped. Give this or `image`.",
    )
    audio: AudioUri = Field(
        description="The voice, up to 10 minutes. The result is as long as it is."
    )
    fps: int = Field(
        default=25,
        ge=1,
        le=60,
        description="Frames a second for a photo. A clip keeps its own exact rate.",
    )
    openness: float = Field(
        default=1.0,
        ge=0,
        le=2,
        description="How far the mouth opens: 0 not at all, 1 as in speech, 2 exaggerated.",
    )
    loop: Literal["ping_pong", "repeat", "hold"] = Field(
        default="ping_pong",
        description="How a clip goes on when the voice is longer: backwards and forwards again, "
        "from its start, or by its last frame. A clip longer than the voice is cut.",
    )
    max_side: int = Field(
        default=1280,
        ge=128,
        le=1920,
        description="Longest side of the result in pixels. A larger picture is scaled down.",
    )

    @model_validator(mode="after")
    def _one_face(self) -> Self:
        if (self.image is None) == (self.video is None):
            raise ValueError("give exactly one of `image` and `video`")
        return self


CARD = Card(
    name="preview-lipsync",
    task="lip-sync",
    summary=(
        "A quick preview without a neural network: it finds the mouth of a photo or a clip and "
        "opens it with the loudness of the voice. It knows no phonemes."
    ),
    license=License("Apache-2.0", commercial=True),
    input=Input,
    runner="models.preview_lipsync.runner:Runner",
    queue="preview-lipsync",
    needs="CPU",
    time_limit=timedelta(minutes=30),
    example={
        "image": "https://example.com/face.jpg",
        "audio": "https://example.com/voice.wav",
        "openness": 1.0,
    },
)
