"""The `kinomill` command, assembled from the modules that its arguments need."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Final, Protocol, cast

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ENTRY_POINTS: Final = "kinomill.commands"
"""Group of entry points; each names a `CommandSet` of another distribution."""
SERVER_HINT: Final = (
    "Only the commands of the client are installed. The server adds up, down, demo, api, worker "
    "and more; install both from a checkout: pip install -e ./kinomill -e '.\\[embedded]'"
)


class CommandModule(Protocol):
    """A module that adds commands to an app."""

    def add_to(self, app: typer.Typer) -> None:
        """Add them."""
        ...


@dataclass(frozen=True)
class CommandSet:
    """Commands of one distribution: the module of each, imported when the command is run."""

    modules: Mapping[str, str] = field(default_factory=dict)
    """Name of a command -> module with `add_to`."""
    explain: Callable[[Exception], str | None] = lambda _: None
    """Message for an error that the user can act on; None for all others."""


REMOTE: Final = CommandSet(
    dict.fromkeys(("submit", "status", "cancel", "delete"), "kinomill.cli.jobs")
    | {"backfill": "kinomill.cli.backfill.command"}
)


def installed_commands() -> list[CommandSet]:
    """The command sets of all installed distributions besides the client's own."""
    from importlib.metadata import entry_points

    return [cast("CommandSet", entry.load()) for entry in entry_points(group=ENTRY_POINTS)]


def build_app(arguments: Sequence[str], command_sets: Sequence[CommandSet]) -> typer.Typer:
    """Build the app for these arguments of a command line.

    If the first argument is a command, only its module is imported: a program such as
    `kinomill api` starts in a fraction of the time that all imports take.
    """
    modules = {name: path for one in (*command_sets, REMOTE) for name, path in one.modules.items()}
    known = arguments and arguments[0] in modules
    paths = [modules[arguments[0]]] if known else dict.fromkeys(modules.values())
    app = typer.Typer(
        name="kinomill",
        help="Turn a picture, a clip and a voice into video: a job service that you run yourself.",
        epilog=None if command_sets else SERVER_HINT,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        callback=_keep_subcommands,
    )
    for path in paths:
        cast("CommandModule", import_module(path)).add_to(app)
    return app


def _keep_subcommands() -> None:
    """Exists because Typer drops the name of a command that is alone in an app without it."""
