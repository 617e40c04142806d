"""The journal of a backfill survives the end of its writer."""

from __future__ import annotations

import pytest

from kinomill.cli.backfill.file_format import RowsError
from kinomill.cli.backfill.journal import Entry, Journal

DIGEST = "00000000000000ff"


def entry(row, status="succeeded", **values):
    return Entry(row, DIGEST, status, **values)


def test_the_last_entry_of_a_row_counts(tmp_path):
    with Journal(tmp_path, model="m") as journal:
        journal.add(entry(3, "open", job="job_1"))
        journal.add(entry(1, "rejected", code="bad_row", detail="no"))
        journal.add(entry(3, "failed", job="job_1", code="no_face", detail="nobody"))

    with Journal(tmp_path, model="m") as again:
        assert [(one.row, one.status) for one in again] == [(1, "rejected"), (3, "failed")]
        assert again.find(3, DIGEST).code == "no_face"
        assert again.run == journal.run


def test_a_changed_or_new_row_is_unknown(tmp_path):
    with Journal(tmp_path, model="m") as journal:
        journal.add(entry(3))

        assert journal.find(3, "0" * 16) is None
        assert journal.find(2, DIGEST) is None
        assert journal.find(2, "0" * 16) is None
        assert journal.find(99, DIGEST) is None


@pytest.mark.parametrize("rest", [b'{"row": 2, "dig', b"\0\0\0\0\n", b'{"row": 2}\n', b"\xff\n"])
def test_an_unfinished_line_is_truncated(tmp_path, rest):
    with Journal(tmp_path, model="m") as journal:
        journal.add(entry(1))
    with (tmp_path / "journal.jsonl").open("ab") as file:
        file.write(rest)

    with Journal(tmp_path, model="m") as again:
        again.add(entry(2))
        run = again.run

    with Journal(tmp_path, model="m") as third:
        assert [one.row for one in third] == [1, 2]
        assert third.run == run == journal.run


@pytest.mark.parametrize("damaged", [b'{"row": 2, "dig\n', b"\0\0\0\0\n", b"\xff\n", b"[]\n"])
def test_lines_after_a_damaged_one_count(tmp_path, damaged):
    with Journal(tmp_path, model="m") as journal:
        journal.add(entry(1))
        with (tmp_path / "journal.jsonl").open("ab") as file:
            file.write(damaged)
        journal.add(entry(3, job="job_3"))

    for _ in range(2):
        with Journal(tmp_path, model="m") as again:
            assert [(one.row, one.job) for one in again] == [(1, None), (3, "job_3")]
            assert again.run == journal.run


def test_an_unfinished_first_line_starts_a_new_run(tmp_path):
    (tmp_path / "journal.jsonl").write_text('{"run": "ab')

    with Journal(tmp_path, model="m") as journal:
        assert list(journal) == []
        assert len(journal.run) == 16


def test_a_long_entry_is_read_back(tmp_path):
    with Journal(tmp_path, model="m") as journal:
        journal.add(entry(1, detail="x" * 10_000))
        journal.add(entry(2))

        assert journal.find(1, DIGEST).detail == "x" * 10_000


def test_two_runs_at_once_are_refused(tmp_path):
    with Journal(tmp_path, model="m"), pytest.raises(RowsError, match="another backfill"):
        Journal(tmp_path, model="m")


def test_another_model_needs_another_folder(tmp_path):
    with Journal(tmp_path, model="m"):
        pass

    with pytest.raises(RowsError, match="--state"):
        Journal(tmp_path, model="n")


@pytest.mark.parametrize(
    "content",
    [
        b'{"image": "@a.jpg"}\n{"image": "@b.jpg"}\n',
        b'{"image": "@a.jpg"}',
        b"[]\n",
        b"notes\n",
        b'{"run": 5}\n{"run": 6}\n',
        b"\xff\xfe{\0\n\0",
        b"x" * 10_000,
    ],
)
def test_a_file_of_somebody_else_is_refused_and_stays(tmp_path, content):
    path = tmp_path / "journal.jsonl"
    path.write_bytes(content)

    with pytest.raises(RowsError, match=r"is not the journal of a backfill.*another --state"):
        Journal(tmp_path, model="m")

    assert path.read_bytes() == content


@pytest.mark.parametrize("name", ["results.jsonl", "results.csv"])
def test_a_report_of_nobody_is_not_replaced(tmp_path, name):
    (tmp_path / name).write_text("mine")

    for _ in range(2):
        with pytest.raises(RowsError, match=rf"{name} is of no run.*pass another --state"):
            Journal(tmp_path, model="m")

    assert (tmp_path / name).read_text() == "mine"


def test_the_reports_of_a_run_are_its_own(tmp_path):
    with Journal(tmp_path, model="m") as journal:
        (tmp_path / "results.csv").write_text("ours")

    with Journal(tmp_path, model="m") as again:
        assert again.run == journal.run
