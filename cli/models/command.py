"""`framemill models`: what the server offers; and the weights of this machine."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.table import Table

from cli.jobs import reach
from cli.models.list import list_weights
from cli.models.lock import lock
from cli.models.prune import prune
from cli.models.pull import pull
from cli.models.push import push
from cli.models.show import show
from cli.models.verify import verify

group = typer.Typer(rich_markup_mode="rich")
group.command("list")(list_weights)
for command in (show, pull, verify, push, prune, lock):
    group.command()(command)


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(group, name="models")


@group.callback(invoke_without_command=True)
def offered(context: typer.Context) -> None:
    """List the models of the server; fetch, check and mirror the weights of this machine.

    Alone, it lists what the server of FRAMEMILL_URL takes jobs for.

    The commands need no server. They work on a volume: a folder with the weights of all models,
    which many workers may share. `models list` shows what there is, `models pull NAME` fetches it.
    """
    if context.invoked_subcommand is not None:
        return
    with reach() as client:
        items = client.models()
    table = Table("model", "task", "needs", "license", "input")
    for item in items:
        terms = item["license"]
        accepted = "" if terms["accepted"] else " (not accepted)"
        names = ", ".join(item["input_schema"]["properties"])
        table.add_row(item["name"], item["task"], item["needs"], terms["name"] + accepted, names)
    Console().print(table)
