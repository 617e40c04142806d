"""`kinomill backfill`: one job for every row of a file, however often it is interrupted."""

from __future__ import annotations

import shlex
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from kinomill.cli.backfill.display import Counts, Display
from kinomill.cli.backfill.journal import Journal
from kinomill.cli.backfill.reader import RowsError
from kinomill.cli.backfill.report import write_failures, write_results
from kinomill.cli.backfill.retry import RetryUntilStopped
from kinomill.cli.backfill.row_pool import RowPool
from kinomill.cli.backfill.rows import Rows
from kinomill.cli.backfill.run import BackfillRun, TooManyFailures
from kinomill.cli.backfill.submitter import Submitter
from kinomill.cli.signals import interrupt_on_sigterm
from kinomill.client import Client
from kinomill.jobs import Priority

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kinomill.input_schema import InputSchema
    from kinomill.models import Model

MAX_PRINTED_ERRORS = 50
"""Of bad rows, on the screen; failures.csv lists all of them."""

console = Console()

RowsArgument = Annotated[
    Path,
    typer.Argument(metavar="ROWS", help="A .jsonl or .csv file.", exists=True, dir_okay=False),
]
FileColumns = Annotated[
    list[str] | None,
    typer.Option(metavar="COLUMN", help="Column of paths without an @. Repeatable."),
]
IgnoredColumns = Annotated[
    list[str] | None,
    typer.Option(metavar="COLUMN", help="Column that is not an input. Repeatable."),
]
DownloadFolder = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Save each video here, as <row>.mp4.", file_okay=False),
]
StateFolder = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Journal and reports; default: ROWS.kinomill."),
]


@dataclass
class ErrorPrinter:
    """Prints the first bad rows."""

    count: int = 0

    def __call__(self, row: int, reason: str) -> None:
        """Print the line number of a row, and what is wrong."""
        self.count += 1
        if self.count <= MAX_PRINTED_ERRORS:
            _print(f"line {row}: {reason}")
        elif self.count == MAX_PRINTED_ERRORS + 1:
            _print("… more bad rows are not listed here")


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(backfill)


def backfill(  # noqa: PLR0913 - each is an option of the command
    file: RowsArgument,
    model: Annotated[str, typer.Option(help="Name of a model; see `kinomill models`.")],
    files: FileColumns = None,
    ignore: IgnoredColumns = None,
    priority: Annotated[Priority, typer.Option(help="Which jobs run first.")] = Priority.BACKGROUND,
    concurrency: Annotated[int, typer.Option(help="Jobs in flight at once.", min=1, max=100)] = 8,
    download: DownloadFolder = None,
    max_failures: Annotated[
        int | None, typer.Option(metavar="N", help="Stop once N rows have failed.", min=1)
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check every row, submit nothing.")
    ] = False,
    state: StateFolder = None,
) -> None:
    """Submit a job for every row of a file, wait for all of them, write a report.

    A row is an input of the model: one JSON object per line, or a CSV line whose columns are
    inputs (an empty cell: not given). A cell @PATH uploads a file, relative to the rows file; an
    https:// address is sent as it is. A column `key` gives a row its own Idempotency-Key.

    After Ctrl-C, a crash or a kill the same command resumes where it stopped, and no row gets a
    second job. Rows are identified by line number and content: a changed row is a new one. Rows
    that never became a job are tried again; for failed jobs, run failures.csv as ROWS.

    ROWS.kinomill/ holds results.jsonl (row, job, status, details of the video, path or url),
    failures.csv (the failed rows with code and detail) and journal.jsonl. Delete it to start over.

    Exit code: 0 all done, 1 some rows failed, 2 stopped by --max-failures, 130 by Ctrl-C.

    Example: kinomill backfill rows.csv --model preview-lipsync --download videos
    """
    interrupt_on_sigterm()
    stop = threading.Event()
    with Client() as client:
        first_call = RetryUntilStopped(stop, _print_pause, unreachable=False)
        schema = _schema(first_call.call(client.models), model)
        rows = Rows(file, schema, frozenset(files or ()), frozenset(ignore or ()))
        rows.check()
        if dry_run:
            raise typer.Exit(_check(rows))
        folder = state or file.with_name(file.name + ".kinomill")
        with _named_file_errors(folder), Journal(folder, model=model) as journal:
            counts = Counts(rows.count())
            display = Display(console, counts)
            retry = RetryUntilStopped(stop, display.show_pause)
            submitter = Submitter(client, retry, model, priority.value, journal.run, download)
            pool = RowPool(submitter, concurrency)
            run = BackfillRun(journal, pool, counts, display, ErrorPrinter(), max_failures)
            raise typer.Exit(_process(run, rows, stop))


@contextmanager
def _named_file_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        path = error.filename or folder
        raise RowsError(f"{path} cannot be used: {error.strerror}; see --state") from error


def _process(run: BackfillRun, rows: Rows, stop: threading.Event) -> int:
    code = 0
    try:
        with run.display:
            run.process(rows)
    except TooManyFailures:
        _print(f"Stopped: {run.counts.failed_now} rows failed. {_how_to_resume()}")
        code = 2
    except KeyboardInterrupt:
        _print(f"Interrupted: {run.counts.text(run.pool.busy)}. {_how_to_resume()}")
        return 130
    finally:
        stop.set()
    _report(run, rows)
    return code or int(run.counts.failed > 0)


def _report(run: BackfillRun, rows: Rows) -> None:
    counts, journal = run.counts, run.journal
    _print(f"{counts.done} done, {counts.failed} failed, of {counts.total} rows")
    _print(f"results   {write_results(journal, run.pool.submitter.client.url)}")
    failures = write_failures(journal, rows)
    if failures:
        _print(f"failures  {failures} (correct it and run it as ROWS)")


def _check(rows: Rows) -> int:
    print_error, count = ErrorPrinter(), 0
    for row in rows:
        count += 1
        if row.error:
            print_error(row.number, row.error)
    _print(f"{count - print_error.count} of {count} rows are valid")
    return int(print_error.count > 0)


def _schema(models: tuple[Model, ...], name: str) -> InputSchema:
    for model in models:
        if model.name == name:
            if not model.license.accepted:
                raise RowsError(f"this server has not accepted the license of {name}")
            return model.schema
    known = ", ".join(model.name for model in models)
    raise RowsError(f"this server has no model {name!r}; it has {known}")


def _how_to_resume() -> str:
    command = shlex.join(["kinomill", *sys.argv[1:]])
    return f"Jobs in flight go on. To resume, run the same command: {command}"


def _print_pause(reason: str, seconds: float) -> None:
    _print(f"{reason}, next try in {seconds:.0f} s")


def _print(text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
