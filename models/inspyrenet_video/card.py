"""The card of inspyrenet-video; its code is that of `models.inspyrenet`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from models.examples import CLIP
from models.inspyrenet.card import LICENSE
from models.inspyrenet.clips.input import ClipInput
from models.inspyrenet.error_codes import MODE_UNAVAILABLE
from models.spec import Card

CARD = Card(
    name="inspyrenet-video",
    task="background-removal",
    summary=(
        "Removes the background of a clip, with steady edges: WebM or ProRes with transparency, "
        "PNG frames, or an MP4 over a color, a blur or a picture. Sound and times are kept."
    ),
    license=LICENSE,
    input=ClipInput,
    runner="models.inspyrenet.clips.runner:Runner",
    queue="inspyrenet-video",
    hardware="CPU, or GPU 6 GB",
    time_limit=timedelta(hours=6),
    weights=Path(__file__).with_name("weights.toml"),
    memory_bytes=4_000_000_000,
    error_codes=(MODE_UNAVAILABLE,),
    example={"video": CLIP},
)
