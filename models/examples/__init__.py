"""Example media as data URIs, small enough for the examples of the OpenAPI document."""

from __future__ import annotations

import base64
from pathlib import Path


def _data_uri(name: str, media_type: str) -> str:
    content = Path(__file__).with_name(name).read_bytes()
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


FACE = _data_uri("face.jpg", "image/jpeg")
"""A portrait, 128 x 150 pixels, 3 kB; origin and license as of `cli/examples/face.jpg`."""
VOICE = _data_uri("voice.ogg", "audio/ogg")
"""One second of speech, Opus at 8 kbit/s; origin and license as of `cli/examples/voice.wav`."""
CLIP = _data_uri("clip.mp4", "video/mp4")
"""One second of `FACE` coming nearer, 128 x 128 pixels, 12 frames, 5 kB; made from it."""
