"""A database that a command cannot use: one sentence with the remedy, in each command."""

from __future__ import annotations

import pytest
from sqlalchemy.engine import make_url

from cli.doctor import database
from cli.doctor.check import Status
from cli.stack import grant_to_autoscalers, migrate
from tests.api.serving import closed_port
from tests.cli.test_keys import keys
from tests.kinomill.cli.command import kinomill
from tests.migrations.test_migrations import fresh_url as fresh_url
from tests.migrations.test_migrations import statement

OTHERS = {
    "REDIS_URL": "redis://127.0.0.1:9",
    "KINOMILL_STORAGE": "/nowhere",
    "KINOMILL_SECRET_KEY": "k" * 32,
}
PRIMARY = "the database is read-only: name the primary server in DATABASE_URL"
MIGRATE = "the database lacks the newest migrations: run `kinomill migrate`"
RIGHT = "lacks a right (permission denied"


def shown_by(url, *words):
    shown = kinomill(*words, DATABASE_URL=url, **OTHERS)
    assert "Traceback" not in shown.stderr
    assert shown.returncode == 1, shown.stdout
    return shown.stderr


def failed(url):
    found = {result.check: result for result in database.check(url)}
    return {name: each.remedy for name, each in found.items() if each.status is Status.FAIL}


@pytest.fixture
def read_only_url(fresh_url):
    """A migrated database that cannot be written, as a standby."""
    migrate(fresh_url)
    statement(fresh_url, "ALTER DATABASE fresh SET default_transaction_read_only = on")
    return fresh_url


def test_a_read_only_database(read_only_url):
    assert PRIMARY in shown_by(read_only_url, "keys", "create", "me")
    assert "name the primary server" in failed(read_only_url)["database writes"]


def test_a_read_only_database_whose_autoscalers_lack_a_right(fresh_url):
    migrate(fresh_url)
    assert grant_to_autoscalers(fresh_url)
    statement(fresh_url, "REVOKE SELECT ON queue_depth FROM kinomill_autoscaler")
    statement(fresh_url, "ALTER DATABASE fresh SET default_transaction_read_only = on")

    assert f"autoscalers were granted nothing: {PRIMARY}" in shown_by(fresh_url, "migrate")


def test_a_read_only_database_without_tables(fresh_url):
    statement(fresh_url, "ALTER DATABASE fresh SET default_transaction_read_only = on")

    assert f"nothing was migrated: {PRIMARY}" in shown_by(fresh_url, "migrate")


@pytest.fixture
def guest_url(fresh_url):
    """A migrated database as a user sees it that may read and write nothing."""
    migrate(fresh_url)
    statement(fresh_url, "CREATE ROLE guest LOGIN PASSWORD 'guest'")
    yield make_url(fresh_url).set(username="guest", password="guest").render_as_string(False)
    statement(fresh_url, "DROP OWNED BY guest")
    statement(fresh_url, "DROP ROLE guest")


def test_a_user_without_rights(guest_url):
    for words in (("keys", "list"), ("keys", "create", "me"), ("top", "--once"), ("migrate",)):
        told = shown_by(guest_url, *words)
        assert RIGHT in told, words
    for words in (("maintenance",), ("worker",)):
        assert "may not read the tables: grant it the rights" in shown_by(guest_url, *words)
    assert "grant it to the user" in failed(guest_url)["database"]


def test_a_database_without_tables(fresh_url):
    for words in (("keys", "list"), ("top", "--once"), ("maintenance",), ("worker",)):
        assert MIGRATE in shown_by(fresh_url, *words), words


def test_a_database_that_does_not_exist_or_answer(database_url):
    missing = make_url(database_url).set(database="nowhere").render_as_string(False)
    for url in (missing, f"postgresql://me:hunter2@127.0.0.1:{closed_port()}/x"):
        for words in (("keys", "list"), ("top", "--once"), ("migrate",)):
            told = shown_by(url, *words)
            assert "the database cannot be reached (" in told, words
            assert "start PostgreSQL, or correct DATABASE_URL" in told
            assert "hunter2" not in told


def test_keys_in_one_process_say_the_same(read_only_url):
    assert PRIMARY in keys("create", "me", DATABASE_URL=read_only_url).stderr
