"""No cell of a report is a formula, and each is read back as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinomill.cli.backfill.formula import escape, unescape

FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "'=1", "''=1")


@pytest.mark.parametrize("cell", FORMULAS)
def test_a_formula_becomes_text(cell):
    assert escape(cell) == f"'{cell}"
    assert unescape(escape(cell)) == cell


@pytest.mark.parametrize("cell", ["", "x", "'quoted'", "a=b", " =1", "https://example.com/=x"])
def test_other_cells_stay_as_they_are(cell):
    assert escape(cell) == unescape(cell) == cell


@given(st.text(st.sampled_from("'=+-@\t\rab"), max_size=6))
def test_each_text_comes_back(cell):
    assert unescape(escape(cell)) == cell
    assert escape(cell)[:1] not in set("=+-@\t\r")
