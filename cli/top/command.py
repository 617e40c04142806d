"""`kinomill top`: queues, workers, running jobs and failures, until Ctrl-C."""

from __future__ import annotations

import signal
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console, Group
from rich.live import Live

from cli.embedded.home import HomeOption, home_folder
from cli.errors import StackError
from cli.top.view import alert_line, frame, rows_that_fit

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import RenderableType

    from cli.doctor.target import Target
    from cli.top.source import Source
    from jobs.overview.overview import Overview

ROWS = 20
"""Rows of each table where no height limits them."""


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(top)


def top(
    url: Annotated[
        str | None,
        typer.Option(help="Ask this API, with a key of scope admin in KINOMILL_KEY."),
    ] = None,
    home: HomeOption = None,
    interval: Annotated[
        float, typer.Option(min=0.5, max=3600, help="Seconds between two frames.")
    ] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Print one frame and end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one line a frame.")] = False,
) -> None:
    """Show queues, workers, running jobs, failures of the last hour, webhooks, and what is wrong.

    It reads the database of DATABASE_URL, or else that of the running
    `kinomill up` of this home: five statements a frame, no API needed. With
    --url, or if nothing runs here, it asks an API: that of KINOMILL_URL by
    default. Ctrl-C ends it. Without a terminal each frame is printed below the
    last one.

    Exit code: 1 if the first frame cannot be read.
    """
    source = _source(url, home)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        _show(source, interval, once=once, as_json=as_json)
    except KeyboardInterrupt:
        raise typer.Exit(0) from None
    finally:
        source.close()


def _source(url: str | None, home: Path | None) -> Source:
    """Where to read. Each source imports what it needs: an API no database, both no model."""
    target = None if url else _target(home)
    if target is not None and target.database_url is not None:
        from cli.top.record_source import RecordSource

        return RecordSource.open(target)
    from cli.top.api_source import ApiSource
    from kinomill.cli.remote import import_httpx

    import_httpx()
    from kinomill import Client

    client = Client(url)
    return ApiSource(client, client.url)


def _target(home: Path | None) -> Target:
    from cli.doctor.target import Target
    from cli.settings import CliSettings

    settings = CliSettings()
    target = Target.find(settings, home_folder(settings, home))
    if home is not None and target.database_url is None:
        raise StackError(
            f"nothing runs in {home}: start `kinomill up` there, or ask an API by --url"
        )
    return target


def _show(source: Source, interval: float, *, once: bool, as_json: bool) -> None:
    console = Console()
    if as_json or once or not console.is_terminal:
        _print_frames(source, console, interval, once=once, as_json=as_json)
        return
    first = source.read()
    with Live(console=console, screen=True, auto_refresh=False) as live:
        shown = _frame(first, source, console)
        while True:
            live.update(shown, refresh=True)
            time.sleep(interval)
            shown = _next(source, console, shown)


def _next(source: Source, console: Console, before: RenderableType) -> RenderableType:
    """The next frame; that before, with the reason, if there is none."""
    try:
        return frame(
            source.read(), source.name, rows=rows_that_fit(console.height), width=console.width
        )
    except StackError as error:
        return Group(alert_line(str(error)), before)


def _frame(overview: Overview, source: Source, console: Console) -> RenderableType:
    rows = rows_that_fit(console.height)
    return frame(overview, source.name, rows=rows, width=console.width)


def _print_frames(
    source: Source, console: Console, interval: float, *, once: bool, as_json: bool
) -> None:
    while True:
        overview = source.read()
        if as_json:
            typer.echo(overview.model_dump_json())
        else:
            console.print(frame(overview, source.name, rows=ROWS, width=console.width))
        if once:
            return
        time.sleep(interval)
