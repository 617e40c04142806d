from __future__ import annotations

import pytest

import cli.embedded.os_user
from cli.embedded.errors import EmbeddedError
from cli.embedded.os_user import OsUser, unprivileged
from tests.cli.embedded.conftest import output


def test_an_account_that_is_missing_is_a_sentence():
    with pytest.raises(EmbeddedError, match="there is no user no-such-user"):
        unprivileged("no-such-user")


def test_the_dedicated_account_is_taken_where_it_exists(monkeypatch):
    monkeypatch.setattr(cli.embedded.os_user, "DEDICATED", "daemon")

    assert unprivileged(None) == OsUser.named("daemon")


def test_nobody_is_taken_where_no_account_can_be_created(ordinary):
    code = """
from cli.embedded import os_user
os_user.DEDICATED = "kinomill-that-nobody-creates"
print(os_user.unprivileged(None) == os_user.OsUser.named("nobody"))
"""

    assert output(code, account=ordinary) == "True"


def test_a_command_sees_nothing_of_our_environment(monkeypatch):
    monkeypatch.setenv("PGPORT", "1")

    done = OsUser.current().run(["/usr/bin/env"])

    assert "LC_ALL=C" in done.stdout.decode().splitlines()
    assert "PGPORT" not in done.stdout.decode()


def test_who_may_not_change_the_account_learns_it_in_a_sentence(ordinary):
    code = """
from cli.embedded.os_user import OsUser
try:
    OsUser.named("daemon").run(["/bin/true"])
except EmbeddedError as error:
    print(error)
"""

    assert "Run kinomill as an ordinary user" in output(code, account=ordinary)
