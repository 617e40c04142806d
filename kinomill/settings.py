"""Client settings, read from environment variables."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Self


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
        """Read `KINOMILL_URL` and `KINOMILL_KEY`; an empty variable counts as unset."""
        return cls(
            url=os.environ.get("KINOMILL_URL") or cls.url,
            key=os.environ.get("KINOMILL_KEY") or None,
        )
