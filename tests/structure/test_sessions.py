"""Behind a pooler a session is lent for one transaction: programs leave no state in it."""

from __future__ import annotations

import re

import pytest

from tests.structure.sources import ROOMS, ROOT, modules

STATE = re.compile(
    r"pg_(try_)?advisory_(un)?lock(_shared|_all)?\(|\b(UN)?LISTEN\b|\bNOTIFY\b|SET SESSION"
    r"|TEMP(ORARY)? TABLE|WITH HOLD|DISCARD|set_config\([^)]*false",
)
ALLOWED = {
    "runtime/async_database.py": "DISCARD",  # of plans, only without a pooler
}
"""Migrations are no part of the rooms: they have a connection to the database itself."""


def found(text):
    return [match[0] for match in STATE.finditer(text)]


def test_no_program_keeps_state_in_a_session():
    kept = {str(path.relative_to(ROOT)): found(path.read_text()) for path in modules(*ROOMS)}

    assert {name: what for name, what in kept.items() if set(what) - {ALLOWED.get(name)}} == {}


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT pg_advisory_lock(1)",
        "SELECT pg_try_advisory_lock(1)",
        "LISTEN jobs",
        "SET SESSION lock_timeout = 1",
        "CREATE TEMP TABLE a ()",
    ],
)
def test_state_of_a_session_is_found(statement):
    assert found(statement)


@pytest.mark.parametrize("statement", ["SELECT pg_advisory_xact_lock(1)", "SET LOCAL a = 1"])
def test_state_of_a_transaction_is_fine(statement):
    assert not found(statement)
