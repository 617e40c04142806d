"""Client settings, read from environment variables."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cache
from typing import Self

from kinomill.setting_names import NAMES

_PREFIX = "KINOMILL_"


@dataclass(frozen=True)
class ClientSettings:
    """Where the API is, and the key to call it with."""

    url: str = field(
        default="http://127.0.0.1:8000",
        metadata={"help": "The API that commands such as `submit` and `status` call."},
    )
    key: str | None = field(
        default=None,
        repr=False,
        metadata={"help": "An API key (`km_…`), if that API requires one."},
    )

    @classmethod
    def from_environment(cls) -> Self:
        """Read `KINOMILL_URL` and `KINOMILL_KEY`; an empty variable counts as unset.

        Their names take any case, as those of the server's settings.
        """
        warn_of_unknown_settings()
        return cls(url=_read("KINOMILL_URL") or cls.url, key=_read("KINOMILL_KEY") or None)


def _read(name: str) -> str:
    """The variable of this name, else one that is written in another case."""
    others = (value for other, value in os.environ.items() if other.upper() == name)
    return os.environ.get(name, "").strip() or next(filter(None, map(str.strip, others)), "")


@cache
def warn_of_unknown_settings() -> None:
    """Log a warning, once, for each variable KINOMILL_… that no program reads.

    Without a configuration of logging it is written to standard error.
    """
    ours = (variable for variable in sorted(os.environ) if variable.upper().startswith(_PREFIX))
    for variable in ours:
        name = variable.upper().removeprefix(_PREFIX)
        if name not in NAMES:
            _warn(variable, name)


def _warn(variable: str, name: str) -> None:
    import logging  # here, because hardly any process needs them
    from difflib import get_close_matches

    near = get_close_matches(name, NAMES, n=1, cutoff=0.5)
    hint = f"did you mean {_PREFIX}{near[0]}?" if near else "docs/settings.md lists all"
    logging.getLogger("kinomill").warning(
        "%s is not a setting and has no effect; %s", variable, hint
    )
