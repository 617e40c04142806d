"""Finds variables that look like settings of ours and are none: misspelled names."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from runtime.config.names import NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PREFIX = "KINOMILL_"


def unknown_variables(variables: Iterable[str]) -> list[str]:
    """One sentence for each variable with our prefix that no program reads, or that is twice there.

    Names take any case, so two may be those of one setting.
    """
    ours = sorted(name for name in variables if name.upper().startswith(_PREFIX))
    unknown = [_sentence(name) for name in ours if name.upper().removeprefix(_PREFIX) not in NAMES]
    return [*unknown, *_repeated(ours)]


def _repeated(names: list[str]) -> Iterator[str]:
    """A sentence for each name that is there in capitals and in another case."""
    for name in names:
        if name != name.upper() and name.upper() in names:
            yield f"{name} and {name.upper()} are one setting, and one of them has no effect"


def _sentence(name: str) -> str:
    near = get_close_matches(name.upper().removeprefix(_PREFIX), NAMES, n=1, cutoff=0.5)
    hint = f"did you mean {_PREFIX}{near[0]}?" if near else "docs/settings.md lists all"
    return f"{name} is not a setting and has no effect; {hint}"
