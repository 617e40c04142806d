"""The reports of a run: results.jsonl and results.csv as they come, and failures.csv at its end."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, Final, Self

from kinomill.cli.backfill.formula import escape
from kinomill.cli.backfill.journal import REJECTED, Entry
from kinomill.cli.backfill.own_report import OwnReport, atomic_writer
from kinomill.cli.backfill.rows import KEY, REPORT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kinomill.cli.backfill.file_format import FileFormat
    from kinomill.cli.backfill.journal import Journal
    from kinomill.cli.backfill.rows import Row, Rows

_RESULT: Final = ("width", "height", "fps", "frames", "duration_seconds", "size_bytes", "sha256")
_COLUMNS: Final = ("row", "job", "status", "code", "detail", "path", "url", *_RESULT)


@dataclass
class Results:
    """`results.jsonl` and `results.csv`: the status of each row, and where its result is.

    Both contain all rows of the journal from the start, and each row as soon as it has ended. A
    row that is tried again has a second line until the end of the run; the last one counts.
    """

    journal: Journal
    url: str
    """Of the API."""
    form: FileFormat
    """Of the rows file; results.csv has the same delimiter and encoding."""
    kept: list[str] = field(default_factory=list)
    """Columns of the rows file that results.csv repeats."""
    _files: list[IO[str]] = field(default_factory=list)

    @property
    def jsonl_path(self) -> Path:
        """Where the JSON lines are."""
        return self.journal.folder / "results.jsonl"

    @property
    def csv_path(self) -> Path:
        """Where the CSV file is."""
        return self.journal.folder / "results.csv"

    def __enter__(self) -> Self:
        self._rewrite()
        self._files = [
            self.jsonl_path.open("a", encoding="utf-8"),
            self.csv_path.open("a", encoding=self.form.encoding, newline=""),
        ]
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files:
            file.close()
        self._rewrite()

    def add(self, entry: Entry) -> None:
        """Append a row that has ended."""
        lines, table = self._files
        self._write(entry, lines, self._writer(table))
        for file in self._files:
            file.flush()

    def _rewrite(self) -> None:
        with (
            atomic_writer(self.jsonl_path, "utf-8") as lines,
            atomic_writer(self.csv_path, self.form.encoding) as table,
        ):
            writer = self._writer(table)
            writer.writeheader()
            for entry in self.journal:
                if entry.status != "open":
                    self._write(entry, lines, writer)

    def _writer(self, file: IO[str]) -> csv.DictWriter[str]:
        names = [*_COLUMNS, *map(_column, self.kept)]
        return csv.DictWriter(
            file,
            names,
            extrasaction="ignore",
            delimiter=self.form.delimiter,
        )

    def _write(self, entry: Entry, lines: IO[str], table: csv.DictWriter[str]) -> None:
        result = _result(entry, self.url)
        lines.write(json.dumps(result) + "\n")
        own = {_column(name): cell for name, cell in (entry.columns or {}).items()}
        cells = own | result | result.get("result", {})
        table.writerow({name: _cell(value) for name, value in cells.items()})


def write_failures(journal: Journal, rows: Rows) -> Path | None:
    """Write `failures.csv`: the failed rows as they were, with code and detail.

    Paths are absolute, since the file is in another folder. A row's own key is changed if it had
    a job, because the old key would only return that job. A file that somebody has edited is
    kept: then this one is called failures-2.csv.
    """
    report = OwnReport(journal.folder, "failures.csv")
    names: dict[str, None] | None = None
    for row, _ in _failed(journal, rows):
        names = (names or {}) | dict.fromkeys(row.cells)
    if names is None:
        report.delete()
        return None
    added = [name for name in REPORT if name not in rows.schema.names]
    header = [*(name for name in names if name not in added), *added]
    form = rows.format.of_reports
    with report.replaced(unlike=rows.path, encoding=form.encoding) as (path, file):
        writer = csv.writer(file, delimiter=form.delimiter)
        writer.writerow(map(escape, header))
        for row, entry in _failed(journal, rows):
            values = {"row": entry.row or "", "code": entry.code, "detail": entry.detail}
            cells = _cells(row, entry) | {name: values[name] for name in added}
            writer.writerow([_cell(cells.get(name)) for name in header])
    return path


def _failed(journal: Journal, rows: Rows) -> Iterator[tuple[Row, Entry]]:
    for row in rows:
        entry = journal.find(row.number, row.digest) if row.number else _unidentified(row)
        if entry is not None and entry.failed:
            yield row, entry


def _unidentified(row: Row) -> Entry:
    return Entry(0, row.digest, REJECTED, code="bad_row", detail=row.error)


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
        **({"columns": entry.columns} if entry.columns else {}),
    }


def _column(name: str) -> str:
    """The name of a kept column in results.csv: its own, if we have none of that name."""
    return escape(f"column_{name}" if name in _COLUMNS else name)


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


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, int | float):
        return str(value)
    return escape(_text(value))
