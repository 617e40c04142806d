"""The card of inspyrenet."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from models.cutout.input import PictureInput
from models.examples import FACE
from models.inspyrenet.error_codes import MODE_UNAVAILABLE
from models.spec import Card, License

LICENSE = License(
    "MIT; several training sets for research only",
    commercial="yes",
    url="https://github.com/plemeri/transparent-background/blob/main/LICENSE",
)
"""That of the authors for code and weights; what their training sets mean for it is not settled."""

CARD = Card(
    name="inspyrenet",
    task="background-removal",
    summary=(
        "Removes the background of a picture, with soft edges: a PNG or WebP with transparency, "
        "or the foreground over a color, a blur or another picture."
    ),
    license=LICENSE,
    input=PictureInput,
    runner="models.inspyrenet.runner:Runner",
    queue="inspyrenet",
    hardware="CPU, or GPU 6 GB",
    time_limit=timedelta(minutes=30),
    weights=Path(__file__).with_name("weights.toml"),
    memory_bytes=4_000_000_000,
    converter="models.inspyrenet.checkpoint:convert",
    error_codes=(MODE_UNAVAILABLE,),
    example={"image": FACE},
)
