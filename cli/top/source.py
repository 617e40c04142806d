"""Where an overview comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from jobs.overview.overview import Overview


class Source(Protocol):
    """Something to read overviews from."""

    name: str

    def read(self) -> Overview:
        """Read one. Raises `StackError`."""
        ...

    def close(self) -> None:
        """Close the connections."""
