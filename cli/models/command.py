"""`kinomill models`: the models of the server, and the weights on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.table import Column, Table

from cli.models.convert import convert
from cli.models.formatting import format_bytes
from cli.models.list import list_weights
from cli.models.lock import lock
from cli.models.prefetch import prefetch
from cli.models.prune import prune
from cli.models.pull import pull
from cli.models.push import push
from cli.models.show import show
from cli.models.verify import verify
from kinomill.cli.connection import connect

if TYPE_CHECKING:
    from kinomill.models import Model

group = typer.Typer(rich_markup_mode="rich")
group.command("list")(list_weights)
for command in (show, pull, verify, push, prune, lock, convert, prefetch):
    group.command()(command)


def add_to(app: typer.Typer) -> None:
    """Add the `models` commands to the app."""
    app.add_typer(group, name="models")


@group.callback(invoke_without_command=True)
def list_served(context: typer.Context) -> None:
    """List the models of the server, or manage the weights on this machine.

    Without a command: list the models that the server at KINOMILL_URL accepts
    jobs for.

    With a command: work on the volume, a folder with the weights of all models
    that several workers may share. `models list` shows all models, `models pull
    NAME` downloads one. Only `prefetch` needs a server.
    """
    if context.invoked_subcommand is not None:
        return
    with connect() as client:
        models = client.models()
    names = ("model", "task", "hardware", "license", "weights", "input")
    table = Table(*(Column(name, overflow="fold") for name in names))
    for model in models:
        table.add_row(model.name, model.task, model.hardware, *_columns(model))
    Console().print(table)


def _columns(model: Model) -> tuple[str, str, str]:
    terms, weights = model.license, model.weights
    accepted = "" if terms.accepted else " (not accepted)"
    state = (
        f"{format_bytes(weights.total_bytes)}, {weights.state.replace('_', ' ')}"
        if weights
        else "none"
    )
    restricted = " (use restrictions)" if terms.commercial == "conditional" else ""
    return terms.name + restricted + accepted, state, _inputs(model)


def _inputs(model: Model) -> str:
    """Return the names of required and media inputs, and the number of others."""
    schema, fields = model.schema, model.input_schema["properties"]
    main = [name for name in fields if name in schema.required | schema.media]
    more = len(fields) - len(main)
    return ", ".join(main) + (f" and {more} more" if more else "")
