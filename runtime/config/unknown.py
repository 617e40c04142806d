"""Finds variables that look like settings of ours and are none: misspelled names."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from runtime.config.names import NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable

_PREFIX = "KINOMILL_"


def unknown_variables(variables: Iterable[str]) -> list[str]:
    """One sentence for each variable with our prefix that no program reads."""
    ours = sorted(name for name in variables if name.upper().startswith(_PREFIX))
    return [_sentence(name) for name in ours if name.upper().removeprefix(_PREFIX) not in NAMES]


def _sentence(name: str) -> str:
    near = get_close_matches(name.upper().removeprefix(_PREFIX), NAMES, n=1, cutoff=0.5)
    hint = f"did you mean {_PREFIX}{near[0]}?" if near else "docs/settings.md lists all"
    return f"{name} is not a setting and has no effect; {hint}"
