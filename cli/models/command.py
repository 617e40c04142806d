"""`kinomill models`: the models of the server, and the weights on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import typer
from rich.console import Console
from rich.table import Column, Table

from cli.lazy_group import LazyGroup
from cli.models.formatting import format_bytes

if TYPE_CHECKING:
    from kinomill.models import Model


class ModelsGroup(LazyGroup):
    """The commands of `kinomill models`, each imported when it is run."""

    functions: ClassVar = {
        "list": "cli.models.list:list_weights",
        "show": "cli.models.show:show",
        "pull": "cli.models.pull:pull",
        "verify": "cli.models.verify:verify",
        "push": "cli.models.push:push",
        "prune": "cli.models.prune:prune",
        "lock": "cli.models.lock:lock",
        "convert": "cli.models.convert:convert",
        "prefetch": "cli.models.prefetch:prefetch",
    }


group = typer.Typer(rich_markup_mode="rich", cls=ModelsGroup)


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
    from kinomill.cli.connection import connect

    with connect() as client:
        models = client.models()
    names = ("task", "hardware", "license", "weights", "input")
    table = Table(Column("model", no_wrap=True), *(Column(name, overflow="fold") for name in names))
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
