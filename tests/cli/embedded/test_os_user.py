from __future__ import annotations

import pytest

import cli.embedded.os_user
from cli.embedded.errors import EmbeddedError
from cli.embedded.os_user import OsUser, unprivileged
from tests.cli.embedded.conftest import output


def test_a_missing_os_user_is_a_clear_error():
    with pytest.raises(EmbeddedError, match="there is no user no-such-user"):
        unprivileged("no-such-user")


def test_the_dedicated_os_user_is_used_if_it_exists(monkeypatch):
    monkeypatch.setattr(cli.embedded.os_user, "DEDICATED", "daemon")

    assert unprivileged(None) == OsUser.named("daemon")


def test_nobody_is_used_if_no_os_user_can_be_created(ordinary):
    code = """
from cli.embedded import os_user
os_user.DEDICATED = "kinomill-that-nobody-creates"
print(os_user.unprivileged(None) == os_user.OsUser.named("nobody"))
"""

    assert output(code, os_user=ordinary) == "True"


def test_a_command_does_not_inherit_our_environment(monkeypatch):
    monkeypatch.setenv("PGPORT", "1")

    done = OsUser.current().run(["/usr/bin/env"])

    assert "LC_ALL=C" in done.stdout.decode().splitlines()
    assert "PGPORT" not in done.stdout.decode()


def test_changing_the_os_user_without_permission_is_a_clear_error(ordinary):
    code = """
from cli.embedded.os_user import OsUser
try:
    OsUser.named("daemon").run(["/bin/true"])
except EmbeddedError as error:
    print(error)
"""

    assert "Run kinomill as an ordinary user" in output(code, os_user=ordinary)
