"""The card of latentsync-1.5."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from models.examples import FACE, VOICE
from models.latentsync.input import Input
from models.latentsync.license import OPENRAIL
from models.lipsync.error_codes import FACE_AND_VOICE, SPEECH_UNAVAILABLE
from models.spec import Card

CARD = Card(
    name="latentsync-1.5",
    task="lip-sync",
    summary=(
        "Moves the lips of a face to any voice by diffusion; "
        "faces of 256 x 256 pixels, so large faces look soft."
    ),
    license=OPENRAIL,
    input=Input,
    runner="models.latentsync.runner:latentsync_1_5",
    queue="latentsync-1.5",
    hardware="GPU 8 GB",
    time_limit=timedelta(hours=6),
    weights=Path(__file__).with_name("weights.toml"),
    memory_bytes=8_000_000_000,
    error_codes=(*FACE_AND_VOICE, SPEECH_UNAVAILABLE),
    example={
        "image": FACE,
        "audio": VOICE,
        "seed": 7,
    },
    converter="models.latentsync.loading.checkpoint:convert",
)
