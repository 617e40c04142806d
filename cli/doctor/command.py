"""`kinomill doctor`: finds problems of an installation, and says what to do about them."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from cli.doctor.check import CheckResult, Status, run_checks
from cli.embedded.home import HomeOption, home_folder
from cli.settings import CliSettings
from kinomill.cli.output import printable

if TYPE_CHECKING:
    from cli.doctor.target import Target

COLORS = {Status.OK: "green", Status.WARN: "yellow", Status.FAIL: "red"}


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


def doctor(
    home: HomeOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check settings, servers, storage, clocks, disks, GPU driver, workers, queues, webhooks.

    It checks what DATABASE_URL, REDIS_URL and KINOMILL_STORAGE name, and in
    place of unset ones the running `kinomill up` of this home. Nothing is
    started or changed, except for a probe object that is written and deleted
    again.

    Exit code: 1 if any check fails, else 0.
    """
    # These imports take half a second, which only this command pays.
    from cli.doctor.all_checks import checks_for
    from cli.doctor.target import Target

    settings = CliSettings()
    target = Target.find(settings, home_folder(settings, home))
    results = [_redacted(result, target) for result in run_checks(list(checks_for(target)))]
    failed = any(result.status is Status.FAIL for result in results)
    if as_json:
        typer.echo(json.dumps({"ok": not failed, "checks": [asdict(one) for one in results]}))
    else:
        Console().print(_table(results))
    raise typer.Exit(int(failed))


def _redacted(result: CheckResult, target: Target) -> CheckResult:
    return replace(result, detail=target.redacted(result.detail))


def _table(results: list[CheckResult]) -> Table:
    table = Table(
        "check", "status", *(Column(name, overflow="fold") for name in ("detail", "remedy"))
    )
    for result in results:
        status = Text(result.status, style=COLORS[result.status])
        detail = Text(printable(result.detail, keep="\n"))
        table.add_row(result.check, status, detail, Text(result.remedy))
    return table
