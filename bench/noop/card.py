"""The card of the model that does nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from models import spec
from models.spec import Card, License


class Input(spec.Input):
    """One short text, how long the run pauses, and what it makes.

    A video has a poster, which is decoded, encoded and stored: media work, and no cost of the
    queue. The peers store no result at all.
    """

    prompt: Annotated[str, Field(max_length=200)] = ""
    pause_seconds: Annotated[float, Field(ge=0, le=60)] = 0
    makes: Literal["text", "video"] = "text"


CARD = Card(
    name="noop",
    task="image-to-video",
    summary="Writes the same tiny file each time.",
    license=License("Apache-2.0", commercial="yes"),
    input=Input,
    runner="bench.noop.runner:Runner",
    queue="noop",
    hardware="CPU",
    time_limit=timedelta(minutes=1),
    example={"prompt": "nothing"},
)
