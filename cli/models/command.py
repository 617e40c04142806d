"""`kinomill models`: what the server offers; and the weights of this machine."""

from __future__ import annotations

from typing import Any

import typer
from rich.console import Console
from rich.table import Column, Table

from cli.models.convert import convert
from cli.models.formatting import amount
from cli.models.list import list_weights
from cli.models.lock import lock
from cli.models.prefetch import prefetch
from cli.models.prune import prune
from cli.models.pull import pull
from cli.models.push import push
from cli.models.show import show
from cli.models.verify import verify
from kinomill.cli.jobs import reach

group = typer.Typer(rich_markup_mode="rich")
group.command("list")(list_weights)
for command in (show, pull, verify, push, prune, lock, convert, prefetch):
    group.command()(command)


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(group, name="models")


@group.callback(invoke_without_command=True)
def offered(context: typer.Context) -> None:
    """List the models of the server; fetch, check and mirror the weights of this machine.

    Alone, it lists what the server of KINOMILL_URL takes jobs for.

    The commands need no server. They work on a volume: a folder with the weights of all models,
    which many workers may share. `models list` shows what there is, `models pull NAME` fetches it.
    """
    if context.invoked_subcommand is not None:
        return
    with reach() as client:
        items = client.models()
    names = ("model", "task", "hardware", "license", "weights", "input")
    table = Table(*(Column(name, overflow="fold") for name in names))
    for item in items:
        table.add_row(item["name"], item["task"], item["hardware"], *_columns(item))
    Console().print(table)


def _columns(item: dict[str, Any]) -> tuple[str, str, str]:
    terms, weights = item["license"], item["weights"]
    accepted = "" if terms["accepted"] else " (not accepted)"
    state = (
        f"{amount(weights['total_bytes'])}, {weights['state'].replace('_', ' ')}"
        if weights
        else "none"
    )
    return terms["name"] + accepted, state, _inputs(item["input_schema"])


def _inputs(schema: dict[str, Any]) -> str:
    """What a caller cannot do without, and how much more there is to set."""
    fields, required = schema["properties"], schema.get("required", ())
    first = [name for name in fields if name in required or _is_media(fields[name])]
    more = len(fields) - len(first)
    return ", ".join(first) + (f" and {more} more" if more else "")


def _is_media(field: dict[str, Any]) -> bool:
    return any("x-media" in option for option in field.get("anyOf", [field]))
