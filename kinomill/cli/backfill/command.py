"""`kinomill backfill`: one job for every row of a file, however often it is interrupted."""

from __future__ import annotations

import shlex
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kinomill.cli.backfill.display import Counts, Display, Messages
from kinomill.cli.backfill.dry_run import DryRun
from kinomill.cli.backfill.file_format import RowsError, detect
from kinomill.cli.backfill.journal import Journal
from kinomill.cli.backfill.report import Results, write_failures
from kinomill.cli.backfill.retry import RetryUntilStopped
from kinomill.cli.backfill.row_pool import RowPool
from kinomill.cli.backfill.rows import Rows
from kinomill.cli.backfill.run import BackfillRun, TooManyFailures
from kinomill.cli.backfill.submitter import Submitter
from kinomill.cli.errors import CommandError
from kinomill.cli.output import print_json
from kinomill.cli.parser import label
from kinomill.cli.signals import interrupt_on_sigterm
from kinomill.cli.target import check_target
from kinomill.client import Client

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from kinomill.errors import KinomillError
    from kinomill.input_schema import InputSchema
    from kinomill.models import Model


CHECKS_AT_ONCE: Final = 4


def run_backfill(given: Namespace) -> int:
    """Submit a job for every row of a file, wait for all of them, write the reports."""
    interrupt_on_sigterm()
    messages = Messages(to_stderr=given.json)
    first_call = RetryUntilStopped(threading.Event(), messages.pause, unreachable=False)
    # the retries of the client would be silent: `RetryUntilStopped` says why it pauses
    with named_file_errors(given.rows), Client(max_retries=0) as client:
        detect(given.rows)  # a wrong file is named also if the server cannot be asked
        schema = schema_of(first_call.call(client.models), given.model)
        rows = rows_of(given, schema)
        rows.check()
        messages.noun = "row" if rows.is_report else "line"
        if not first_call.call(client.worker_count, given.model):
            messages.say(
                f"warning: no worker serves {given.model} now, so its jobs will wait; "
                f"start one whose KINOMILL_MODELS names it"
            )
        if given.dry_run:
            dry_run = DryRun(client, first_call, given.model, CHECKS_AT_ONCE, given.ttl)
            return _dry_run(given, rows, dry_run, messages)
        if given.download:
            check_target(f"{given.download}/", "--download")
        return _run(given, rows, client, messages)


def _dry_run(given: Namespace, rows: Rows, dry_run: DryRun, messages: Messages) -> int:
    valid, count = dry_run.check(rows, messages)
    if given.json:
        print_json({"rows": count, "valid": valid})
    else:
        messages.say(f"{valid} of {count} rows are valid")
    return int(valid < count)


def _run(given: Namespace, rows: Rows, client: Client, messages: Messages) -> int:
    stop = threading.Event()
    folder = given.state or given.rows.with_name(given.rows.name + ".kinomill")
    with named_file_errors(folder, CommandError), Journal(folder, model=given.model) as journal:
        display = Display(Counts(rows.count()), messages)
        submitter = Submitter(
            client,
            RetryUntilStopped(stop, display.show_pause),
            given.model,
            given.priority,
            journal.run,
            folder=given.download,
            ttl_seconds=given.ttl,
        )
        with Results(journal, client.url, rows.format.of_reports, rows.kept) as results:
            pool = RowPool(submitter, given.concurrency)
            run = BackfillRun(journal, results, pool, display, given.max_failures)
            code = _process(run, rows, messages, stop)
        return _report(run, rows, messages, code)


def rows_of(given: Namespace, schema: InputSchema) -> Rows:
    """The rows of the file that the arguments name."""
    return Rows(
        given.rows,
        schema,
        frozenset(given.files),
        frozenset(given.ignore),
        given.name,
        frozenset(text for text in given.label if "=" not in text),
        dict(label(text) for text in given.label if "=" in text),
    )


@contextmanager
def named_file_errors(path: Path, kind: type[KinomillError] = RowsError) -> Iterator[None]:
    """Name the file that cannot be read or written in this block, in an error of this kind."""
    try:
        yield
    except OSError as error:
        named = error.filename or path
        hint = "" if Path(named) == path else "; see --state"
        raise kind(f"{named} cannot be used: {error.strerror or error}{hint}") from error


def _process(run: BackfillRun, rows: Rows, messages: Messages, stop: threading.Event) -> int:
    counts = run.display.counts
    try:
        with run.display:
            run.process(rows)
    except TooManyFailures:
        messages.say(f"Stopped: {counts.failed_now} rows failed. {_how_to_resume()}")
        return 2
    except KeyboardInterrupt:
        messages.say(f"Interrupted: {counts.text(run.pool.busy)}. {_how_to_resume()}")
        return 130
    finally:
        stop.set()
    return int(counts.failed > 0)


def _report(run: BackfillRun, rows: Rows, messages: Messages, code: int) -> int:
    counts, results = run.display.counts, run.results
    failures = write_failures(run.journal, rows)
    messages.say(f"{counts.done} done, {counts.failed} failed, of {counts.total} rows")
    messages.say(f"results   {results.jsonl_path}, {results.csv_path.name}")
    if failures:
        messages.say(f"failures  {failures} (correct it and run it as ROWS)")
    if messages.to_stderr:
        print_json(
            {
                "rows": counts.total,
                "done": counts.done,
                "failed": counts.failed,
                "results": str(results.jsonl_path),
                "failures": failures and str(failures),
            }
        )
    return code


def schema_of(models: tuple[Model, ...], name: str) -> InputSchema:
    """The input of a model of this server. Raises `RowsError`."""
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
