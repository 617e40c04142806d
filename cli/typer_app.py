"""A Typer app of the server's commands."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable


class CommandModule(Protocol):
    """A module that adds commands to an app."""

    def add_to(self, app: typer.Typer) -> None:
        """Add them."""
        ...


def build_app(modules: Iterable[str]) -> typer.Typer:
    """Build an app of the commands in these modules."""
    app = typer.Typer(
        name="kinomill",
        help="Turn a picture, a clip and a voice into video: a job service that you run yourself.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        callback=_keep_subcommands,
    )
    for path in modules:
        cast("CommandModule", import_module(path)).add_to(app)
    return app


def _keep_subcommands() -> None:
    """Exists because Typer drops the name of a command that is alone in an app without it."""
