"""The reports of a run, and the way of failures.csv back into a run."""

from __future__ import annotations

import csv
import json

import pytest

from kinomill.cli.backfill.file_format import FileFormat
from kinomill.cli.backfill.journal import Entry, Journal
from kinomill.cli.backfill.report import Results, write_failures
from kinomill.cli.backfill.rows import Rows
from kinomill.input_schema import InputSchema
from models.preview_i2v.card import CARD
from tests import small_disk

SCHEMA = InputSchema(CARD.input.model_json_schema())
HEADER = "image;prompt;seed;=note;title\n"
LINES = (
    "https://e.com/1.png;=cmd();1;+1;one\n",
    "https://e.com/2.png;'-quoted;2;@x;two\n",
    "https://e.com/3.png;plain;3;;three\n",
)
OPTIONS = {"ignored": frozenset({"=note"}), "name": "title"}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text(HEADER + "".join(LINES))
    return path


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "state", model="m") as journal:
        yield journal


def rows_of(path):
    rows = Rows(path, SCHEMA, **OPTIONS)
    rows.check()
    return rows


def fail(journal, rows, *numbers):
    for row in rows:
        status = "failed" if row.number in numbers else "succeeded"
        journal.add(Entry(row.number, row.digest, status, f"job_{row.number}", detail="=no"))


def test_failures_come_back_as_the_rows_that_they_were(journal, path):
    rows = rows_of(path)
    fail(journal, rows, 2, 3)

    report = write_failures(journal, rows)
    again = rows_of(report)

    first, second = rows, again
    before = {row.number: row for row in first if row.number in (2, 3)}
    after = {row.number: row for row in second}
    assert after.keys() == {2, 3}
    for number, row in after.items():
        assert row.error is None
        assert (row.digest, row.values, row.name, row.columns) == (
            before[number].digest,
            before[number].values,
            before[number].name,
            before[number].columns,
        )


def test_no_cell_of_a_report_is_a_formula(journal, path):
    rows = rows_of(path)
    fail(journal, rows, 2, 3)
    report = write_failures(journal, rows)
    with Results(journal, "http://x", rows.format.of_reports, rows.kept) as results:
        results.add(Entry(4, "0" * 16, "failed", "job_9", detail="-x", columns={"=note": "\tz"}))

    for table in (report, results.csv_path):
        with table.open(newline="") as file:
            cells = [cell for line in csv.reader(file, delimiter=";") for cell in line]
        assert not [cell for cell in cells if cell[:1] in set("=+-@\t\r")]


def test_a_line_break_of_any_kind_stays_within_its_cell(journal, path):
    """A carriage return without quotes began a new line, and its rest could be a formula."""
    rows = rows_of(path)
    detail = "no\r=1+1,\r\n\uff1d2\n-3"
    for row in rows:
        journal.add(Entry(row.number, row.digest, "failed", "job_1", detail=detail))
    report = write_failures(journal, rows)
    with Results(journal, "http://x", rows.format.of_reports, rows.kept) as results:
        pass

    for table in (report, results.csv_path):
        with table.open(newline="") as file:
            found = list(csv.DictReader(file, delimiter=";", strict=True))
        assert [row["detail"] for row in found] == [detail] * len(LINES)


def test_a_report_that_was_edited_is_kept(journal, path):
    rows = rows_of(path)
    fail(journal, rows, 2, 3)
    report = write_failures(journal, rows)
    assert write_failures(journal, rows) == report
    edited = report.read_text() + "mine\n"
    report.write_text(edited)

    second = write_failures(journal, rows)

    assert second == report.with_name("failures-2.csv")
    assert report.read_text() == edited
    fail(journal, rows)
    assert write_failures(journal, rows) is None
    assert report.read_text() == edited


def test_the_rows_file_itself_is_never_replaced(journal, path):
    rows = rows_of(path)
    fail(journal, rows, 2)
    report = write_failures(journal, rows)
    before = report.read_bytes()

    assert write_failures(journal, rows_of(report)) != report
    assert report.read_bytes() == before


@pytest.mark.parametrize("number", ["", "0", "x", "1.5", "99999999999", "3"])
def test_a_line_of_failures_needs_a_number_of_its_own(journal, path, number):
    rows = rows_of(path)
    fail(journal, rows, 3)
    report = write_failures(journal, rows)
    line = report.read_text().splitlines()[1]
    with report.open("a") as file:
        file.write(line.replace(";3;", f";{number};").replace("two", "four") + "\n")

    good, bad = rows_of(report)

    assert good.error is None
    assert bad.number == 0
    assert bad.error.startswith("line 3: row")


def test_two_rows_may_not_have_one_name(path):
    path.write_text(HEADER + LINES[0] + LINES[1].replace("two", "ONE"))

    first, second = rows_of(path)

    assert first.error is None
    assert "is also that of line 2" in second.error


def test_results_are_written_as_they_come(journal):
    entry = Entry(2, "0" * 16, "succeeded", "job_2", result={"sha256": "ab"}, path="/v/2.mp4")
    form = FileFormat(is_csv=True, delimiter=";", encoding="utf-16")

    with Results(journal, "http://x", form, ["title"]) as results:
        journal.add(entry)
        results.add(entry)
        (line,) = map(json.loads, results.jsonl_path.read_text().splitlines())
        table = results.csv_path.read_text("utf-16").splitlines()

    assert (line["row"], line["path"]) == (2, "/v/2.mp4")
    assert table[0].endswith("sha256;title")
    assert table[1].startswith("2;job_2;succeeded;")
    assert results.csv_path.read_text("utf-16").splitlines() == table


def test_labels_are_part_of_the_identity_of_a_row(path):
    plain = next(iter(Rows(path, SCHEMA, **OPTIONS)))
    labeled = Rows(path, SCHEMA, label_columns=frozenset({"seed"}), labels={"a": "b"}, **OPTIONS)

    row = next(iter(labeled))

    assert dict(row.labels) == {"a": "b", "seed": "1"}
    assert row.digest != plain.digest


FULL = """
from kinomill.cli.backfill.own_report import OwnReport, atomic_writer
from tests.small_disk import fill
report = OwnReport(disk, "failures.csv")
fill(disk, leave=4096)
for opened in (report.replaced(unlike=disk, encoding="utf-8"), atomic_writer(disk / "a", "utf-8")):
    try:
        with opened as file:
            (file if hasattr(file, "write") else file[1]).write("x" * 100_000)
    except OSError as error:
        print(error.strerror, sorted(path.name for path in disk.iterdir()))
"""


def test_a_full_disk_leaves_nothing_of_a_report():
    said = small_disk.run(FULL, size="200k")

    assert said == "No space left on device ['ballast']\n" * 2
