"""`kinomill doctor`: what is wrong here, and what to do about it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.doctor.finding import Finding, Verdict, run
from cli.embedded.data_dir import default_home
from cli.settings import CliSettings

if TYPE_CHECKING:
    from cli.doctor.target import Target

HomeOption = Annotated[
    Path | None, typer.Option(help="Home of a running `kinomill up`.", envvar="KINOMILL_HOME")
]
COLORS = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "red"}


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


def doctor(
    home: HomeOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Check settings, database, broker, storage, clocks, disks, GPU driver and workers.

    It looks at what DATABASE_URL, REDIS_URL and KINOMILL_STORAGE name, and for what they do not
    name, at a running `kinomill up` of this home. Nothing is started or changed, but for a
    probe object that is written and deleted again. Exit code 1 if anything fails.
    """
    # What is looked at costs half a second to import: only this command pays.
    from cli.doctor.checks import checks_of
    from cli.doctor.target import Target

    settings = CliSettings()
    place = home or settings.home or default_home(xdg_data_home=settings.xdg_data_home)
    target = Target.find(settings, place.absolute())
    findings = [_censored(finding, target) for finding in run(list(checks_of(target)))]
    failed = any(finding.state is Verdict.FAIL for finding in findings)
    if as_json:
        typer.echo(json.dumps({"ok": not failed, "checks": [asdict(one) for one in findings]}))
    else:
        Console().print(_table(findings))
    raise typer.Exit(int(failed))


def _censored(finding: Finding, target: Target) -> Finding:
    return Finding(finding.check, finding.state, target.censored(finding.found), finding.remedy)


def _table(findings: list[Finding]) -> Table:
    table = Table("check", "state", "found", "remedy")
    for finding in findings:
        state = Text(finding.state, style=COLORS[finding.state])
        table.add_row(finding.check, state, Text(finding.found), Text(finding.remedy))
    return table
