"""`kinomill models prefetch`: let the workers of a server pull a model before its first job."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from cli.models import options
from cli.models.formatting import format_bytes
from kinomill.cli.connection import connect
from kinomill.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kinomill.models import Model

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="A model of the server, from `kinomill models`.", show_default=False
    ),
]
AsJson = options.AsJson


def prefetch(name: Name, as_json: AsJson = False) -> None:
    """Ask the workers of the server at KINOMILL_URL to pull a model's weights now.

    Every worker that serves the model pulls them, including workers that start
    later. A worker whose pull failed retries immediately. If the server
    requires keys, KINOMILL_KEY needs the scope `admin`.
    """
    with connect() as client:
        try:
            model = client.prefetch(name)
        except Conflict as error:
            if error.code != "model_without_weights":
                raise
            typer.echo(str(error), err=True)
            model = client.model(name)
    if as_json:
        typer.echo(json.dumps(model.raw))
        return
    for line in _lines(model):
        typer.echo(line)


def _lines(model: Model) -> Iterator[str]:
    weights = model.weights
    if weights is None:
        return
    size = f", {format_bytes(weights.total_bytes)}" if weights.total_bytes else ""
    yield f"requested {model.name} ({weights.profile}{size})"
    for worker in weights.workers:
        percent = "" if worker.percent is None else f", {worker.percent:.0f} %"
        detail = f": {worker.detail}" if worker.detail else ""
        yield f"  {worker.name}  {worker.state.replace('_', ' ')}{percent}{detail}"
    if not weights.workers:
        yield "  no worker serves it now: the next one that does will pull it"
