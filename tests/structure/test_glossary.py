"""The glossary explains each of our own words once, and uses none that is retired."""

from __future__ import annotations

import re

from tests.structure.sources import ROOT

ROWS = re.findall(
    r"^\| \*\*(.+?)\*\* \| (.+?) \|", (ROOT / "docs" / "glossary.md").read_text(), re.M
)
OWN_WORDS = {
    "attempt", "card", "drain", "hold", "input", "job", "lease", "manifest", "profile",
    "result", "runner", "volume", "wake-up", "weights", "worker",
}  # fmt: skip


def test_every_own_word_is_explained():
    assert {term for term, _ in ROWS} >= OWN_WORDS


def test_terms_are_unique_and_in_alphabetical_order():
    terms = [term for term, _ in ROWS]

    assert terms == sorted(set(terms))


def test_each_term_is_explained_in_a_sentence_that_names_something_else():
    assert [term for term, meaning in ROWS if len(meaning) < 20 or meaning == term] == []
