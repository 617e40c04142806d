"""SQL that the oldest PostgreSQL understands on which Kinomill runs: 14."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("accounts", "api", "cli", "jobs", "maintenance", "migrations", "runtime", "workers")
SQL = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|PERFORM|CREATE|ALTER)\b")
NEWER = re.compile(
    r"\b0[xob][0-9a-fA-F]+\b|\b\d+_\d+\b|\bMERGE INTO\b|\bNULLS (NOT )?DISTINCT\b|\bany_value\("
    r"|\bIS JSON\b|\bJSON_(TABLE|VALUE|QUERY|EXISTS|ARRAY|OBJECT)\(|\bON_ERROR\b",
)
"""Numbers that are not decimal (16), MERGE and NULLS NOT DISTINCT (15), SQL/JSON (16, 17)."""


def statements():
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                text = node.value if isinstance(node, ast.Constant) else None
                if isinstance(text, str) and SQL.search(text):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", text


def test_no_statement_needs_a_newer_postgresql():
    found = list(statements())

    assert len(found) > 100
    assert [(where, hit[0]) for where, text in found if (hit := NEWER.search(text))] == []


@pytest.mark.parametrize("text", ["SELECT 0x1F", "SELECT 1_000", "MERGE INTO x", "x IS JSON"])
def test_newer_syntax_is_recognized(text):
    assert NEWER.search(text)
