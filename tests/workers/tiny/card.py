"""The tiny model, with a commercial and with a non-commercial license."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from models import spec
from models.spec import Card, License


class Input(spec.Input):
    """No parameters: the weights decide."""


CARD = Card(
    name="tiny",
    task="test",
    summary="Shows the pictures of its weights.",
    license=License("Apache-2.0", commercial="yes"),
    input=Input,
    runner="tests.workers.tiny.runner:Runner",
    queue="tiny",
    hardware="CPU",
    time_limit=timedelta(minutes=2),
    weights=Path(__file__).with_name("weights.toml"),
    memory_bytes=16_000_000,
)
UNFREE = replace(
    CARD, name="tiny-nc", queue="tiny-nc", license=License("CC-BY-NC-4.0", commercial="no")
)
