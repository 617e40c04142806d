"""Writes the reports of a run: results.jsonl, and failures.csv, which is a rows file again."""

from __future__ import annotations

import csv
import json
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from kinomill.cli.backfill.rows import KEY, REPORT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kinomill.cli.backfill.journal import Entry, Journal
    from kinomill.cli.backfill.rows import Row, Rows


def write_results(journal: Journal, url: str) -> Path:
    """Write `results.jsonl`: the status of each row, and where its video is."""
    path = journal.folder / "results.jsonl"
    with _atomic_writer(path) as file:
        for entry in journal:
            file.write(json.dumps(_result(entry, url)) + "\n")
    return path


def write_failures(journal: Journal, rows: Rows) -> Path | None:
    """Write `failures.csv`: the failed rows as they were, with code and detail.

    Paths are absolute, since the file is in another folder. A row's own key is changed if it had
    a job, because the old key would only return that job.
    """
    path = journal.folder / "failures.csv"
    names = dict.fromkeys(name for row, _ in _failed(journal, rows) for name in row.cells)
    added = [name for name in REPORT if name not in rows.schema.names]
    header = [*(name for name in names if name not in added), *added]
    with _atomic_writer(path) as file:
        writer = csv.DictWriter(file, header, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        count = 0
        for row, entry in _failed(journal, rows):
            values = {"row": entry.row, "code": entry.code, "detail": entry.detail}
            added_cells = {name: values[name] for name in added}
            writer.writerow(_cells(row, entry) | added_cells)
            count += 1
    if not count:
        path.unlink()
        return None
    return path


def _failed(journal: Journal, rows: Rows) -> Iterator[tuple[Row, Entry]]:
    for row in rows:
        entry = journal.find(row.number, row.digest)
        if entry is not None and entry.failed:
            yield row, entry


def _result(entry: Entry, url: str) -> dict[str, Any]:
    result = dict(entry.result or {})
    location = result.pop("url", None) or (entry.job and f"{url}/v1/jobs/{entry.job}/result")
    saved_at = {"path": entry.path} if entry.path else {"url": location}
    return {
        "row": entry.row,
        "job": entry.job,
        "status": entry.status,
        **({"code": entry.code, "detail": entry.detail} if entry.failed else {}),
        **({"result": result, **saved_at} if entry.status == "succeeded" else {}),
    }


def _cells(row: Row, entry: Entry) -> dict[str, str]:
    cells = {name: _text(cell) for name, cell in row.cells.items() if cell is not None}
    cells |= {name: f"@{path}" for name, path in row.files.items()}
    if row.key is not None and entry.job is not None:
        cells[KEY] = _next_key(row.key)
    return cells


def _next_key(key: str) -> str:
    """`order-7` becomes `order-7~2`, which becomes `order-7~3`."""
    stem, mark, number = key.rpartition("~")
    again = f"{stem}~{int(number) + 1}" if mark and number.isdecimal() else f"{key}~2"
    return again[-255:]


def _text(cell: Any) -> str:
    return cell if isinstance(cell, str) else json.dumps(cell)


@contextmanager
def _atomic_writer(path: Path) -> Iterator[IO[str]]:
    partial = path.with_name(path.name + ".new")
    with partial.open("w", encoding="utf-8", newline="") as file:
        yield file
    partial.replace(path)
