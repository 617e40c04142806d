"""The failures.csv of a backfill is a batch: with the same rows, by the same rules."""

from __future__ import annotations

import csv
import json

import pytest

from api.batches.lines import CsvColumns, read_csv
from api.batches.report import unescape
from kinomill.cli.backfill.formula import escape
from kinomill.cli.backfill.journal import Entry, Journal
from kinomill.cli.backfill.report import write_failures
from kinomill.cli.backfill.rows import Rows
from kinomill.input_schema import InputSchema
from models.preview_i2v.card import CARD
from tests.api.batches.build import feed, jobs_of, send
from tests.api.build import problem

SCHEMA = InputSchema(CARD.input.model_json_schema())
TABLE = (
    "image;prompt;seed;key;=note;title\n"
    "https://e.com/1.png;plain;1;;x;one\n"
    "https://e.com/2.png;=cmd();2;mine;+1;two\n"
    "https://e.com/3.png;'-quoted, twice;3;;@x;three\n"
)


@pytest.fixture(params=["utf-8", "utf-8-sig", "utf-16"])
def report(tmp_path, request):
    """A failures.csv as backfill writes it, of which the first row succeeded."""
    path = tmp_path / "rows.csv"
    path.write_text(TABLE, encoding=request.param)
    rows = Rows(path, SCHEMA, ignored=frozenset({"=note", "title"}))
    rows.check()
    with Journal(tmp_path / "state", model=CARD.name) as journal:
        for row in rows:
            status = "succeeded" if row.number == 2 else "failed"
            journal.add(Entry(row.number, row.digest, status, "job_1", code="timeout", detail="=x"))
        return write_failures(journal, rows)


def post(client, content, **query):
    return send(client, content, kind="text/csv", model=CARD.name, **query)


def test_it_is_a_batch_whose_rows_keep_their_numbers_and_texts(client, sessions, report):
    options = {"ignore": ["=note"], "label_column": "title"}

    response = post(client, report.read_bytes(), **options)
    feed(sessions)

    assert response.status_code == 202, response.text
    results = client.get(f"/v1/batches/{response.json()['id']}/results").text.splitlines()
    assert [json.loads(line)["row"] for line in results] == [3, 4]
    found = [
        (job.input["prompt"], job.input["seed"], job.labels["title"], job.idempotency_key)
        for job in jobs_of(sessions)
    ]
    assert found[0] == ("=cmd()", 2, "two", "mine~2")
    assert found[1][:3] == ("'-quoted, twice", 3, "three")


def test_a_table_without_numbers_keeps_its_apostrophes_and_lines(client, sessions):
    table = "image,prompt,code\nhttps://e.com/1.png,'=cmd(),E1\n"

    response = post(client, table)
    feed(sessions)

    assert response.status_code == 202, response.text
    (job,) = jobs_of(sessions)
    assert job.input["prompt"] == "'=cmd()"


@pytest.mark.parametrize("start", ["=", " =", "\t", "\n", "\r", "\uff1d", "\u3000@", "'+", "x"])
def test_its_cells_are_read_as_the_backfill_wrote_them(start):
    assert unescape(escape(f"{start}1")) == f"{start}1"


def test_a_path_in_it_is_named_with_what_to_send(client, tmp_path):
    (tmp_path / "f.png").write_bytes(b"x")
    table = f"image,prompt,row,code,detail\n'@{tmp_path}/f.png,p,7,timeout,x\n"

    answer = problem(post(client, table), 422, "invalid_rows")

    (wrong,) = answer["rows"]
    assert (wrong["row"], wrong["errors"][0]["pointer"]) == (7, "/input/image")


HEADER = "image,prompt,row,code,detail\n"
IMAGE = "https://e.com/1.png"
ODD = {
    "numbers in any order": ([f"{IMAGE},a,9,,", f"{IMAGE},b,2,,"], [(9, "a"), (2, "b")]),
    "no number": (
        [f"{IMAGE},a,,,", f"{IMAGE},b,2,,"],
        ["line 2: row: give it a number that no other row has", (2, "b")],
    ),
    "no whole number": (
        [f"{IMAGE},a,{text},," for text in ("0", "-1", "1.5", "x", "²", "10000001", "999999999")],
        [f"line {n}: row: give it a number that no other row has" for n in range(2, 9)],
    ),
    "the same number twice": (
        [f"{IMAGE},a,5,,", f"{IMAGE},b,05,,"],
        [(5, "a"), "line 3: row 5 is also that of line 2"],
    ),
    "apostrophes": (
        [f"{IMAGE},{text},{n},," for n, text in enumerate(("'=a", "''=a", "'a", "=a"), 1)],
        [(1, "=a"), (2, "'=a"), (3, "'a"), (4, "=a")],
    ),
    "a line that is too short": (
        [f"{IMAGE},a,5", f"{IMAGE},b,6,,"],
        ["has 3 cells, line 1 has 5", (6, "b")],
    ),
}


@pytest.mark.parametrize(("lines", "expected"), ODD.values(), ids=ODD)
def test_both_read_odd_reports_alike(tmp_path, lines, expected):
    path = tmp_path / "failures.csv"
    path.write_text(HEADER + "\n".join(lines) + "\n")

    by_client = [row.error or (row.number, row.values["prompt"]) for row in Rows(path, SCHEMA)]
    by_server = [
        line.error.detail.rstrip(".") if line.error else (line.number, line.body["input"]["prompt"])
        for line in read_csv(path.read_bytes(), CsvColumns(CARD))
    ]

    assert (by_client, by_server) == (expected, expected)


def test_what_spreadsheets_make_of_it_is_still_that_batch(client, report):
    """Saved again with another delimiter, all cells quoted, and lines that end with \\r\\n."""
    text = report.read_bytes().decode(
        "utf-16" if report.read_bytes()[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig"
    )
    path = report.with_name("again.csv")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t", quoting=csv.QUOTE_ALL)
        writer.writerows(csv.reader(text.splitlines(), delimiter=";"))

    response = post(client, path.read_bytes(), ignore=["=note", "title"])

    assert (response.status_code, response.json()["rows"]) == (202, 2)
