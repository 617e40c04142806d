"""`kinomill backfill`: a job for every row of a file, once, however often it is interrupted."""

from __future__ import annotations

import shlex
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from kinomill.cli.backfill.display import Display, Tally
from kinomill.cli.backfill.journal import Journal
from kinomill.cli.backfill.reader import RowsError
from kinomill.cli.backfill.report import write_failures, write_results
from kinomill.cli.backfill.retry import Patience
from kinomill.cli.backfill.row_pool import Crew
from kinomill.cli.backfill.rows import Rows
from kinomill.cli.backfill.run import Run, TooManyFailures
from kinomill.cli.backfill.schema import Schema
from kinomill.cli.backfill.submitter import Sender
from kinomill.cli.jobs import reach
from kinomill.cli.signals import interrupt_on_sigterm
from kinomill.settings import ClientSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_LIST = 50
"""So many bad rows are named on the screen; all of them are in failures.csv."""

console = Console()

RowsArgument = Annotated[
    Path,
    typer.Argument(metavar="ROWS", help="A .jsonl or .csv file.", exists=True, dir_okay=False),
]


class Urgency(StrEnum):
    """How urgent the jobs are."""

    INTERACTIVE = "interactive"
    NORMAL = "normal"
    BACKGROUND = "background"


@dataclass
class Complaints:
    """Names the first bad rows on the screen."""

    said: int = 0

    def __call__(self, row: int, why: str) -> None:
        """Name a row by its line in the file, and say what is wrong."""
        self.said += 1
        if self.said <= LONGEST_LIST:
            _say(f"line {row}: {why}")
        elif self.said == LONGEST_LIST + 1:
            _say("… further bad rows are not named here")


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(backfill)


def backfill(  # noqa: PLR0913 - each is an option that one types
    file: RowsArgument,
    model: Annotated[str, typer.Option(help="Name of a model; see `kinomill models`.")],
    files: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Its cells are paths without an @. Repeatable."),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Is no input: leave it out. Repeatable."),
    ] = None,
    priority: Annotated[Urgency, typer.Option(help="Who is served first.")] = Urgency.BACKGROUND,
    concurrency: Annotated[int, typer.Option(help="Jobs in flight at once.", min=1, max=100)] = 8,
    download: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Save each video here, as <row>.mp4.", file_okay=False),
    ] = None,
    max_failures: Annotated[
        int | None, typer.Option(metavar="N", help="Stop once N rows have failed.", min=1)
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check every row, submit nothing.")
    ] = False,
    state: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Journal and reports; default: ROWS.kinomill."),
    ] = None,
) -> None:
    """Submit a job for every row of a file, wait for all, report.

    A row is an input of the model: a JSON object a line, or a CSV line whose columns are inputs
    (an empty cell: not given). A cell @PATH uploads a file, relative to the rows file; an
    https:// address is sent as it is. A column `key` gives a row its own Idempotency-Key.

    Ctrl-C, a crash or a kill cost nothing: the same command goes on where it stopped, and no row
    gets a second job. Rows are told apart by line number and content: change a row and it is a
    new one. Rows that never became a job are tried again; for the others feed failures.csv in.

    ROWS.kinomill/ holds results.jsonl (row, job, status, figures, path or url), failures.csv
    (the failed rows with code and detail) and journal.jsonl. Remove it to begin anew.

    Exit code: 0 all done, 1 some rows failed, 2 stopped by --max-failures, 130 by Ctrl-C.

    Example: kinomill backfill rows.csv --model preview-lipsync --download videos
    """
    interrupt_on_sigterm()
    stop = threading.Event()
    with reach() as client:
        schema = _schema(Patience(stop, _say_waiting, away=False).ask(client.models), model)
        rows = Rows(file, schema, frozenset(files or ()), frozenset(ignore or ()))
        rows.check()
        if dry_run:
            raise typer.Exit(_check(rows))
        folder = state or file.with_name(file.name + ".kinomill")
        with _explained(folder), Journal(folder, model=model) as journal:
            tally = Tally(rows.count())
            display = Display(console, tally)
            patience = Patience(stop, display.wait)
            sender = Sender(client, patience, model, priority.value, journal.run, download)
            crew = Crew(sender, concurrency)
            run = Run(journal, crew, tally, display, Complaints(), max_failures)
            raise typer.Exit(_carry_out(run, rows, stop))


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = error.filename or folder
        raise RowsError(f"{where} cannot be used: {error.strerror}; see --state") from error


def _carry_out(run: Run, rows: Rows, stop: threading.Event) -> int:
    code = 0
    try:
        with run.display:
            run.over(rows)
    except TooManyFailures:
        _say(f"Stopped: {run.tally.failed_now} rows failed. {_again()}")
        code = 2
    except KeyboardInterrupt:
        _say(f"Interrupted: {run.tally.text(run.crew.busy)}. {_again()}")
        return 130
    finally:
        stop.set()
    _report(run, rows)
    return code or int(run.tally.failed > 0)


def _report(run: Run, rows: Rows) -> None:
    tally, journal = run.tally, run.journal
    _say(f"{tally.done} done, {tally.failed} failed, of {tally.total} rows")
    _say(f"results   {write_results(journal, ClientSettings.from_environment().url)}")
    failures = write_failures(journal, rows)
    if failures:
        _say(f"failures  {failures} (mend what it says and feed it in as ROWS)")


def _check(rows: Rows) -> int:
    complaints, count = Complaints(), 0
    for row in rows:
        count += 1
        if row.fault:
            complaints(row.number, row.fault)
    _say(f"{count - complaints.said} of {count} rows are valid")
    return int(complaints.said > 0)


def _schema(models: list[dict[str, Any]], name: str) -> Schema:
    for model in models:
        if model["name"] == name:
            if not model["license"]["accepted"]:
                raise RowsError(f"this server has not accepted the license of {name}")
            return Schema(model["input_schema"])
    known = ", ".join(model["name"] for model in models)
    raise RowsError(f"this server has no model {name!r}; it has {known}")


def _again() -> str:
    command = shlex.join(["kinomill", *sys.argv[1:]])
    return f"Jobs in flight go on. To go on here, type it again: {command}"


def _say_waiting(why: str, seconds: float) -> None:
    _say(f"{why}, next try in {seconds:.0f} s")


def _say(text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
