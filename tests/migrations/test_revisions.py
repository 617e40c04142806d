"""The revision that a program compares with, which is read without alembic."""

from __future__ import annotations

import pytest
from alembic.script import ScriptDirectory

from cli.errors import StackError
from cli.stack import migrate
from migrations.revisions import (
    UnfitDatabase,
    check_schema,
    is_ahead,
    is_behind,
    known_revisions,
    newest_revision,
)
from migrations.upgrade import alembic_config, upgrade
from runtime.database import create_database_engine
from tests.migrations.test_migrations import fresh_url as fresh_url
from tests.migrations.test_migrations import statement


def test_the_newest_revision_is_that_of_alembic(database_url):
    scripts = ScriptDirectory.from_config(alembic_config(database_url))

    assert newest_revision() == scripts.get_current_head()
    assert known_revisions() == {script.revision for script in scripts.walk_revisions()}


def test_older_and_newer_databases_are_told_apart():
    older = min(known_revisions() - {newest_revision()})

    assert (is_behind(None), is_behind(older), is_behind(newest_revision())) == (True, True, False)
    assert not is_behind("0123456789ab")
    assert (is_ahead("0123456789ab"), is_ahead(older), is_ahead(None)) == (True, False, False)


def test_a_program_does_not_start_on_an_empty_database_and_does_after_the_migrations(fresh_url):
    engine = create_database_engine(fresh_url)

    with pytest.raises(UnfitDatabase, match="run `kinomill migrate`"):
        check_schema(engine)
    upgrade(fresh_url)
    check_schema(engine)
    engine.dispose()


def test_a_newer_database_is_not_migrated(fresh_url):
    upgrade(fresh_url)
    statement(fresh_url, "UPDATE alembic_version SET version_num = '0123456789ab'")

    with pytest.raises(StackError, match="newer than this program"):
        migrate(fresh_url)
