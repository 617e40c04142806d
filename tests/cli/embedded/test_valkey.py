from __future__ import annotations

import os
import signal
import socket
import stat
from contextlib import closing
from urllib.parse import urlsplit

import pytest
import redis

import cli.embedded.valkey
from cli.embedded.errors import EmbeddedError
from cli.embedded.processes import wait_until
from tests.cli.embedded.conftest import as_root, output, pid_of, program, queue

START = "print(Valkey(Path(sys.argv[1])).start(), flush=True)"
STOP = "Valkey(Path(sys.argv[1])).stop()"
TRY = """
try:
    Valkey(Path(sys.argv[1])).start()
except EmbeddedError as error:
    print(error)
"""


def test_queued_messages_survive_a_restart(valkey):
    first = valkey.start()
    queue(first).lpush("jobs", "one")

    valkey.stop()
    stopped = valkey.running()
    second = valkey.start()

    assert not stopped
    assert second == first
    assert queue(second).lrange("jobs", 0, -1) == ["one"]


def test_queued_messages_survive_a_kill(valkey, home):
    queue(valkey.start()).lpush("jobs", "one")
    with closing(queue(valkey.start())) as client:
        assert client.waitaof(1, 0, 5000) == [1, 0]

    os.kill(pid_of(home, "valkey"), signal.SIGKILL)
    assert wait_until(lambda: not valkey.running(), seconds=5)

    assert queue(valkey.start()).lrange("jobs", 0, -1) == ["one"]


def test_start_and_stop_are_idempotent(valkey):
    assert valkey.start() == valkey.start()

    valkey.stop()
    valkey.stop()

    assert not valkey.running()


def test_messages_are_persisted_and_never_evicted(valkey):
    client = queue(valkey.start())

    assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    assert client.config_get("appendonly") == {"appendonly": "yes"}
    assert client.config_get("appendfsync") == {"appendfsync": "everysec"}
    assert client.config_get("save") == {"save": ""}
    assert client.config_get("bind") == {"bind": "127.0.0.1"}


def test_a_connection_without_the_password_is_refused(valkey):
    url = urlsplit(valkey.start())

    with pytest.raises(redis.AuthenticationError):
        queue(f"redis://127.0.0.1:{url.port}/0").ping()


@as_root
def test_another_user_cannot_read_the_password(valkey, home, ordinary):
    valkey.start()
    secrets = [home / "valkey.log", home / "valkey" / "url", home / "valkey" / "valkey.conf"]

    assert not any(ordinary.can("-r", path) for path in secrets)
    assert [stat.S_IMODE(path.stat().st_mode) for path in secrets] == [0o600] * 3


def test_a_server_is_found_again_after_its_starter_was_killed(valkey, home):
    with program(START, home) as starter:
        url = starter.stdout.readline().strip()
        starter.kill()
    pid = pid_of(home, "valkey")

    assert valkey.start() == url
    assert pid_of(home, "valkey") == pid
    valkey.stop()
    assert not valkey.running()


def test_another_program_stops_it(valkey, home):
    valkey.start()

    output(STOP, home)

    assert not valkey.running()


def test_programs_that_start_simultaneously_share_one_server(valkey, home):
    starters = [program(START, home) for _ in range(4)]

    urls = {starter.communicate(timeout=60)[0].strip() for starter in starters}

    assert urls == {valkey.start()}


def test_two_homes_have_two_servers(new_valkey, ground):
    one, two = new_valkey(ground / "one"), new_valkey(ground / "two")
    queue(one.start()).set("key", "one")

    assert queue(two.start()).get("key") is None
    one.stop()
    assert two.running()


def test_a_home_may_have_any_name(new_valkey, ground):
    valkey = new_valkey(ground / "ein Höme 'mit' \"$HOME\" 映画" / ("x" * 150))

    assert queue(valkey.start()).ping()


def test_a_port_in_use_is_replaced_by_another(valkey):
    first = urlsplit(valkey.start())
    valkey.stop()

    with socket.create_server(("127.0.0.1", first.port)):
        second = urlsplit(valkey.start())

    assert second.port != first.port
    assert second.password != first.password


def test_a_port_taken_during_the_start_is_replaced_too(valkey, monkeypatch):
    first = urlsplit(valkey.start())
    valkey.stop()
    looks = iter([True, False])
    monkeypatch.setattr(cli.embedded.valkey, "free", lambda _: next(looks))

    with socket.create_server(("127.0.0.1", first.port)):
        second = urlsplit(valkey.start())

    assert second.port != first.port


def test_damaged_data_is_reported_with_the_tail_of_the_log(valkey, home):
    valkey.start()
    valkey.stop()
    (home / "valkey" / "appendonlydir" / "appendonly.aof.manifest").write_text("damaged")

    with pytest.raises(EmbeddedError, match=r"Valkey did not start(?s:.*)manifest"):
        valkey.start()


def test_a_home_that_is_not_a_folder_is_a_clear_error(new_valkey, ground):
    (ground / "file").touch()

    with pytest.raises(EmbeddedError, match=r"cannot use .*/file/home: Not a directory at"):
        new_valkey(ground / "file" / "home").start()


def test_a_read_only_home_is_a_clear_error(ground, ordinary):
    (ground / "closed").mkdir(mode=0o555)

    said = output(TRY, ground / "closed" / "home", os_user=ordinary)

    assert "closed/home: Permission denied at" in said
    assert "choose another home" in said


def test_a_full_disk_is_a_clear_error(home):
    full = "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))"

    assert "File too large" in output(full + TRY, home)
