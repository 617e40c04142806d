"""Test models with invented weights that cannot be downloaded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from models import catalog
from models.spec import License
from tests.api.build import MODEL

CARD = replace(
    catalog.get(MODEL),
    name="heavy",
    queue="heavy",
    weights=Path(__file__).with_name("heavy.toml"),
)
STRICT = replace(
    CARD, name="strict", queue="strict", license=License("CC-BY-NC-4.0", commercial="no")
)
OPEN = replace(CARD, name="open", queue="open", weights=Path(__file__).with_name("open.toml"))
NAMES = (MODEL, *(f"{__name__}:{card}" for card in ("CARD", "STRICT", "OPEN")))
"""KINOMILL_MODELS of a server that has them all."""
