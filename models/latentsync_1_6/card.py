"""The card of latentsync-1.6."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from models.examples import FACE, VOICE
from models.latentsync.input import Input
from models.latentsync.license import OPENRAIL
from models.lipsync.error_codes import FACE_AND_VOICE, SPEECH_UNAVAILABLE
from models.spec import Card

CARD = Card(
    name="latentsync-1.6",
    task="lip-sync",
    summary=(
        "Moves the lips of a face to any voice by diffusion; "
        "faces of 512 x 512 pixels: the finest mouths, and the slowest."
    ),
    license=OPENRAIL,
    input=Input,
    runner="models.latentsync.runner:latentsync_1_6",
    queue="latentsync-1.6",
    hardware="GPU 18 GB",
    time_limit=timedelta(hours=6),
    weights=Path(__file__).with_name("weights.toml"),
    memory_bytes=18_000_000_000,
    error_codes=(*FACE_AND_VOICE, SPEECH_UNAVAILABLE),
    example={
        "image": FACE,
        "audio": VOICE,
        "seed": 7,
    },
    converter="models.latentsync.loading.checkpoint:convert",
)
