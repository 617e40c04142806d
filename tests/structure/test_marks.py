"""Tests of the fault suite are found without importing all others: see tests/marked.py."""

from __future__ import annotations

from tests.marked import ALL_MARKED, MARK, pytest_ignore_collect
from tests.structure.sources import ROOT, modules


def test_marks_are_set_in_the_files_of_their_tests():
    elsewhere = [
        path
        for path in modules("tests")
        if not path.match("test_*.py")
        and path.name != "marked.py"
        and MARK.search(path.read_text())
    ]

    assert elsewhere == [ALL_MARKED / "conftest.py"]


def test_only_files_without_a_mark_are_left_out():
    tests = ROOT / "tests"

    assert pytest_ignore_collect(tests / "structure" / "test_size.py")
    for name in ("faults/test_pooler.py", "acceptance/test_wan.py", "structure", "conftest.py"):
        assert not pytest_ignore_collect(tests / name)
