"""The commands of `kinomill`, put together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import typer

from cli import serve

if TYPE_CHECKING:
    from collections.abc import Sequence


class Commands(Protocol):
    """A module of commands."""

    def add_to(self, app: typer.Typer) -> None:
        """Add them."""
        ...


def commands_for(words: Sequence[str]) -> typer.Typer:
    """The commands that can be meant by these words of a command line.

    A program of a deployment is spared the imports of all others: a good part of its start.
    """
    if words and words[0] in serve.PROGRAMS:
        return _made_of(serve)
    return everything()


def everything() -> typer.Typer:
    """All commands."""
    from cli import demo, keys, up
    from cli.doctor import command as doctor
    from cli.models import command as models
    from kinomill.cli import jobs
    from kinomill.cli.backfill import command as backfill

    return _made_of(up, demo, jobs, models, serve, keys, backfill, doctor)


def _made_of(*modules: Commands) -> typer.Typer:
    app = typer.Typer(
        name="kinomill",
        help="Turn a picture, a clip and a voice into video: a job service that you run yourself.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )
    for module in modules:
        module.add_to(app)
    return app
