"""The commands of each distribution, known by name and summary before any of them is imported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ENTRY_POINTS: Final = "kinomill.commands"
"""Group of entry points; each names a `CommandSet` of another distribution."""


class Command(NamedTuple):
    """A command of `kinomill`."""

    module: str
    """Imported when the command is run."""
    summary: str


@dataclass(frozen=True)
class CommandSet:
    """Commands of one distribution."""

    title: str
    commands: Mapping[str, Command]
    run: Callable[[list[str]], int]
    """Runs a command line, whose first word is one of the commands; returns the exit code."""
    explain: Callable[[Exception], str | None] = lambda _: None
    """Message for an error that the user can act on; None for all others."""

    @property
    def modules(self) -> dict[str, str]:
        """Name of a command -> its module."""
        return {name: command.module for name, command in self.commands.items()}


def installed_commands() -> list[CommandSet]:
    """The command sets of all installed distributions besides the client's own."""
    from importlib.metadata import entry_points

    sets = [entry.load() for entry in entry_points(group=ENTRY_POINTS)]
    return [one for one in sets if isinstance(one, CommandSet)]
