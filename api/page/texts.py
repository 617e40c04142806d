"""The texts of the pages: one catalog for each language in `texts/`; so far English."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent / "texts"
LANGUAGE = "en"


@cache
def catalog() -> dict[str, dict[str, str]]:
    """The sections of the catalog."""
    return tomllib.loads((_FOLDER / f"{LANGUAGE}.toml").read_text("utf-8"))


def text(key: str, **values: Any) -> str:
    """The text of a key such as `jobs.title`, with its `{values}` filled in."""
    section, _, name = key.partition(".")
    return catalog()[section][name].format(**values)


def maybe(key: str, otherwise: str) -> str:
    """The text of a key that not every name has, such as the label of a field."""
    section, _, name = key.partition(".")
    return catalog()[section].get(name, otherwise)
