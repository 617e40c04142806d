"""No file uses a word that `docs/retired-words.toml` lists with its replacement."""

from __future__ import annotations

import re
import tomllib
from itertools import chain

import pytest

from tests.structure.sources import ROOT, text, tracked

LIST = ROOT / "docs" / "retired-words.toml"
LEFT_OUT = {LIST, ROOT / "CHANGELOG.md"}
PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")

RULES = tomllib.loads(LIST.read_text())
WORDS = frozenset(RULES["words"])
PHRASES = re.compile("|".join(rf"\b{re.escape(phrase)}\b" for phrase in RULES["phrases"]), re.I)
NAMES = re.compile("|".join(rf"\b{re.escape(name)}\b" for name in RULES["names"]))
EXCEPTIONS = {ROOT / name: frozenset(words) for name, words in RULES["exceptions"].items()}


def words_of(line):
    """The words of a line, in lower case: `WorkersTold` and `workers_told` are two words each."""
    return {part.lower() for part in PARTS.findall(line)}


def retired_in(line, allowed=frozenset()):
    found = chain(PHRASES.findall(line), NAMES.findall(line), sorted(WORDS & words_of(line)))
    return [word for word in found if word.lower() not in allowed]


def test_no_file_uses_a_retired_word():
    found = []
    for path in tracked():
        if path in LEFT_OUT or (content := text(path)) is None:
            continue
        name = path.relative_to(ROOT)
        allowed = EXCEPTIONS.get(path, frozenset())
        if words := retired_in(str(name), allowed):
            found.append(f"{name}: {words}")
        for number, line in enumerate(content.splitlines(), 1):
            if words := retired_in(line, allowed):
                found.append(f"{name}:{number}: {words}")

    assert found == []


@pytest.mark.parametrize(
    "line", ["class Doorbell:", "ring_the_doorbell()", "the housekeeper", "KINOMILL_HOUSEKEEPER"]
)
def test_a_retired_word_is_found_in_any_form(line):
    assert retired_in(line)


@pytest.mark.parametrize("line", ["string", "heartbeat", "bellows", "scoring = 1"])
def test_a_word_that_only_contains_a_retired_one_is_fine(line):
    assert not retired_in(line)


def test_each_retired_word_names_its_replacement():
    replacements = chain.from_iterable(
        RULES[table].values() for table in ("words", "phrases", "names")
    )

    assert all(replacement.strip() for replacement in replacements)
