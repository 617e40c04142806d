"""`kinomill batches`: submit a file of rows in one request, follow it, save what it made."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinomill.cli.backfill.command import named_file_errors, rows_of, schema_of
from kinomill.cli.batches.progress import follow
from kinomill.cli.connection import connect
from kinomill.cli.output import print_json, say, short_path
from kinomill.cli.signals import goes_on
from kinomill.cli.target import check_target, saving
from kinomill.errors import ApiError, UsageError

if TYPE_CHECKING:
    from argparse import Namespace

    from kinomill.batches.records import Batch
    from kinomill.cli.backfill.rows import Row
    from kinomill.client import Client


def run_batches(given: Namespace) -> int:
    """Run one of the acts."""
    acts = {
        "submit": _submit,
        "list": _list,
        "show": _show,
        "wait": _wait,
        "cancel": _change,
        "retry": _change,
        "download": _download,
    }
    if given.what is None and given.act != "list":
        raise UsageError(f"{given.act}: {'ROWS' if given.act == 'submit' else 'BATCH'} is missing")
    with connect() as client:
        return acts[given.act](client, given)


def _submit(client: Client, given: Namespace) -> int:
    if given.model is None:
        raise UsageError("submit: --model is missing")
    given.rows, given.name = Path(given.what), None
    if not given.rows.is_file():
        raise UsageError(f"no file {given.what!r}")
    with named_file_errors(given.rows):
        rows = rows_of(given, schema_of(client.models(), given.model))
        rows.check()
        read = list(rows)
    if not read:
        raise UsageError(f"{given.what} has no rows: write one a line")
    wrong = [(row.number, row.error) for row in read if row.error is not None]
    if wrong:
        return _refused([(number, str(error)) for number, error in wrong])
    lines = _lines(client, read)
    key = given.idempotency_key or _key(given, lines)
    try:
        batch = client.batches.submit(
            lines,
            model=given.model,
            priority=given.priority,
            ttl_seconds=given.ttl,
            webhook=given.webhook,
            idempotency_key=key,
        )
    except ApiError as error:
        if not error.rows:
            raise
        return _refused([(row["row"], row["detail"]) for row in error.rows])
    if not given.no_wait:
        with goes_on("batch", batch.id, commands="kinomill batches"):
            return _ended(follow(client, batch), given)
    print_json(batch.raw) if given.json else say(batch.id)
    return 0


def _lines(client: Client, rows: list[Row]) -> list[dict[str, Any] | None]:
    """The rows as submissions, at the lines that they have in the file; files are uploaded."""
    uploaded: dict[Path, str] = {}
    lines: list[dict[str, Any] | None] = [None] * max(row.number for row in rows)
    for row in rows:
        for path in row.files.values():
            if path not in uploaded:
                uploaded[path] = client.files.upload(path).id
        files = {name: uploaded[path] for name, path in row.files.items()}
        line = {"input": {**row.values, **files}, "labels": dict(row.labels)}
        lines[row.number - 1] = line | ({} if row.key is None else {"key": row.key})
    return lines


def _key(given: Namespace, lines: list[dict[str, Any] | None]) -> str:
    """The same for the same command on the same rows."""
    content = [given.model, given.priority, given.ttl, given.webhook, lines]
    return f"rows-{hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]}"


def _refused(wrong: list[tuple[int, str]]) -> int:
    for number, detail in wrong:
        text = f"row {number}: {detail}" if number else detail
        print(text, file=sys.stderr)  # noqa: T201
    print(f"kinomill: {len(wrong)} rows are wrong; nothing was submitted", file=sys.stderr)  # noqa: T201
    return 1


def _list(client: Client, given: Namespace) -> int:
    page = client.batches.list(limit=given.limit)
    if given.json:
        print_json([batch.raw for batch in page])
        return 0
    for batch in page:
        canceled = "  canceled" if batch.canceled_at else ""
        say(f"{batch.id}  {batch.created_at:%Y-%m-%d %H:%M:%S}  {batch.rows} rows{canceled}")
    return 0


def _show(client: Client, given: Namespace) -> int:
    _print(client.batches.get(given.what), given)
    return 0


def _wait(client: Client, given: Namespace) -> int:
    with goes_on("batch", given.what, commands="kinomill batches"):
        return _ended(follow(client, client.batches.get(given.what)), given)


def _change(client: Client, given: Namespace) -> int:
    act = client.batches.cancel if given.act == "cancel" else client.batches.retry
    _print(act(given.what), given)
    return 0


def _download(client: Client, given: Namespace) -> int:
    to = str(given.out or ".")
    check_target(to)
    with saving():
        path = client.batches.download(given.what, to)
    saved = {"id": given.what, "path": str(path.absolute()), "size_bytes": path.stat().st_size}
    print_json(saved) if given.json else say(short_path(path))
    return 0


def _ended(batch: Batch, given: Namespace) -> int:
    _print(batch, given)
    return int(batch.counts.get("succeeded", 0) < batch.rows)


def _print(batch: Batch, given: Namespace) -> None:
    if given.json:
        print_json(batch.raw)
        return
    counts = ", ".join(f"{rows} {name}" for name, rows in batch.counts.items() if rows)
    say(f"{batch.id}  {batch.status}: {counts}")
    for code, rows in batch.failed_by_code.items():
        say(f"  failed with {code}: {rows}")
