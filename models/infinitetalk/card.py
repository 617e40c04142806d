"""The card of infinitetalk. Free of torch and of any media library."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from models.examples import FACE, VOICE
from models.multitalk.error_codes import ERROR_CODES
from models.multitalk.request.input import VideoInput
from models.spec import Card, License

CARD = Card(
    name="infinitetalk",
    task="talking-picture",
    summary=(
        "Lets people in a picture speak, or dubs a clip, over long videos: MultiTalk's network "
        "with weights of its own, that returns to the picture with every part."
    ),
    license=License(
        "Apache-2.0",
        commercial="yes",
        url="https://github.com/MeiGen-AI/InfiniteTalk/blob/main/LICENSE.txt",
    ),
    input=VideoInput,
    runner="models.multitalk.runner:infinitetalk",
    queue="infinitetalk",
    hardware="GPU 80 GB",
    time_limit=timedelta(hours=9),
    stall_limit=timedelta(minutes=15),
    weights=Path(__file__).with_name("weights.toml"),
    memory_bytes=40_000_000_000,
    error_codes=ERROR_CODES,
    example={"image": FACE, "audio": VOICE},
)
