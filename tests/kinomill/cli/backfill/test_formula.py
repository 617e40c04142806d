"""No cell of a report is a formula, and each is read back as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinomill.cli.backfill.formula import escape, unescape

FORMULAS = (
    *("=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", "'=1", "''=1"),
    *(" =1", "\u00a0=1", "\u3000@x", "\uff1d1", "\uff0b1", "\uff0d1", "\uff20x"),
)


@pytest.mark.parametrize("cell", FORMULAS)
def test_a_formula_becomes_text(cell):
    assert escape(cell) == f"'{cell}"
    assert unescape(escape(cell)) == cell


@pytest.mark.parametrize("cell", ["", "x", "'quoted'", "a=b", " x", "https://example.com/=x"])
def test_other_cells_stay_as_they_are(cell):
    assert escape(cell) == unescape(cell) == cell


@given(st.text(st.sampled_from("'=+-@\uff1d\t\r\n ab"), max_size=6))
def test_each_text_comes_back(cell):
    assert unescape(escape(cell)) == cell
    assert escape(cell).lstrip()[:1] not in set("=+-@\uff1d")
    assert escape(cell)[:1] not in set("\t\r\n")
