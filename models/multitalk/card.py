"""The card of multitalk. Free of torch and of any media library."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from models.examples import FACE, VOICE
from models.multitalk.error_codes import ERROR_CODES
from models.multitalk.request.input import Input
from models.spec import Card, License

CARD = Card(
    name="multitalk",
    task="talking-picture",
    summary=(
        "Lets one or two people in a picture speak with voices or texts of any length, with an "
        "image-to-video network of 14 billion parameters that hears them."
    ),
    license=License(
        "Apache-2.0",
        commercial="yes",
        url="https://github.com/MeiGen-AI/MultiTalk/blob/main/LICENSE.txt",
    ),
    input=Input,
    runner="models.multitalk.runner:multitalk",
    queue="multitalk",
    hardware="GPU 80 GB; 24 GB for gguf-q5_0",
    time_limit=timedelta(hours=9),
    stall_limit=timedelta(minutes=15),
    weights=Path(__file__).with_name("weights.toml"),
    memory_bytes=40_000_000_000,
    error_codes=ERROR_CODES,
    example={"image": FACE, "audio": VOICE, "quality": "fast"},
)
