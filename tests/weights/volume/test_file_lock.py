from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack

import pytest

from tests.waiting import until
from tests.weights.lock_holder import ROOT, lock_holder
from weights.errors import DiskFull, VolumeUnusable
from weights.volume.file_lock import FileLock, acquire
from weights.volume.lease_lock import MACHINE_ID

SHORT = 0.6
"""Expiry of a lease in these tests; it is renewed six times within it."""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.lock"


@pytest.fixture(params=["flock", "no-flock"])
def kind(request, monkeypatch):
    if request.param == "no-flock":
        monkeypatch.setattr(fcntl, "flock", refuse)
    return request.param


def refuse(*_):
    raise OSError(errno.ENOLCK, "No locks available")


def busy(path, *, expiry=30.0):
    """Return whether one attempt fails."""
    stop = threading.Event()
    stop.set()
    with acquire(path, stop=stop, expiry_seconds=expiry) as lock:
        return not lock


def foreign_lease(path):
    lease = path.with_suffix(".lease")
    lease.write_text(json.dumps({"nonce": "n1", "machine": "elsewhere", "pid": 1}))
    return lease


def test_threads_of_one_process_exclude_each_other(path, kind):
    holders, most = [], []

    def work():
        with acquire(path) as lock:
            holders.append(lock)
            most.append(len(holders))
            time.sleep(0.01)
            holders.remove(lock)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most == [1, 1, 1, 1]


def test_on_wait_is_called_twice_a_second(path, kind):
    calls, stop = [], threading.Event()

    def count():
        calls.append(time.monotonic())
        if len(calls) == 3:
            stop.set()

    with acquire(path), acquire(path, on_wait=count, stop=stop) as second:
        assert not second

    assert 0.8 < calls[-1] - calls[0] < 3


def test_a_free_lock_is_acquired_even_if_stop_is_set(path, kind):
    assert not busy(path)
    assert not busy(path)


def test_the_lock_of_a_killed_holder_is_free_at_once(path):
    with lock_holder(path) as process:
        assert busy(path)

        process.kill()
        process.wait()

        assert not busy(path)


def test_without_flock_the_lock_of_a_killed_holder_expires(path, kind):
    with lock_holder(path, "no-flock", expiry=SHORT) as process:
        process.kill()
        process.wait()
        began = time.monotonic()

        with acquire(path, expiry_seconds=SHORT) as lock:
            assert lock

    waited = time.monotonic() - began
    assert waited < 20
    assert kind == "flock" or waited > SHORT


def test_without_flock_a_live_holder_keeps_the_lock(path, monkeypatch):
    monkeypatch.setattr(fcntl, "flock", refuse)
    with lock_holder(path, "no-flock", expiry=3) as process, ExitStack() as attempts:
        lock = FileLock(path, expiry_seconds=3)
        attempts.callback(lock.release)
        until_time = time.monotonic() + 4

        until(lambda: lock.try_acquire() or time.monotonic() > until_time)

        assert not lock
        assert still_holds(process) == "True"


def test_without_flock_a_holder_suspended_too_long_loses_its_lock(path, monkeypatch):
    monkeypatch.setattr(fcntl, "flock", refuse)
    with lock_holder(path, "no-flock", expiry=SHORT) as process:
        process.send_signal(signal.SIGSTOP)
        with acquire(path, expiry_seconds=SHORT) as lock:
            assert lock
            process.send_signal(signal.SIGCONT)

            until(lambda: still_holds(process) == "False", what="the suspended holder to notice")
            process.stdin.close()
            process.wait(10)

            assert lock
            assert busy(path)


def still_holds(process):
    process.stdin.write("\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


def test_a_holder_on_another_machine_is_respected_until_its_lease_expires(path):
    lease = foreign_lease(path)
    lock = FileLock(path, expiry_seconds=SHORT)
    until_time = time.monotonic() + 2 * SHORT

    def renewed():
        os.utime(lease)
        return lock.try_acquire() or time.monotonic() > until_time

    until(renewed)
    assert not lock

    until(lock.try_acquire, what="the lock of a holder that stopped renewing")
    lock.release()
    assert not lease.exists()


def test_the_clock_of_another_machine_does_not_matter(path):
    os.utime(foreign_lease(path), (0, 0))

    assert busy(path, expiry=30)


def test_a_lease_left_by_a_dead_process_of_this_machine_is_taken_over_at_once(path):
    lease = path.with_suffix(".lease")
    lease.write_text(json.dumps({"nonce": "n1", "machine": MACHINE_ID, "pid": 1}))

    assert not busy(path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"nonce": 1}'])
def test_a_torn_lease_file_is_taken_over_once_it_expired(path, text):
    path.with_suffix(".lease").write_text(text)

    assert busy(path, expiry=SHORT)
    with acquire(path, expiry_seconds=SHORT) as lock:
        assert lock


def test_only_one_of_many_takes_an_expired_lease_over(path, monkeypatch):
    monkeypatch.setattr(fcntl, "flock", refuse)
    foreign_lease(path)
    locks = [FileLock(path, expiry_seconds=SHORT) for _ in range(8)]
    winners = []

    def contend(lock):
        if until(lambda: lock.try_acquire() or winners):
            winners.extend([lock] * bool(lock))

    threads = [threading.Thread(target=contend, args=(lock,)) for lock in locks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(map(bool, locks)) == 1
    for lock in locks:
        lock.release()
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_stale_claim_of_a_killed_process_is_removed(path, monkeypatch):
    monkeypatch.setattr(fcntl, "flock", refuse)
    claim = foreign_lease(path).with_name("file.lease.n1")
    claim.write_text("")
    os.utime(claim, (0, 0))

    with acquire(path, expiry_seconds=SHORT) as lock:
        assert lock


FORKS = """
import os, sys, time
from pathlib import Path
from weights.volume.file_lock import acquire
child = None
with acquire(Path(sys.argv[1])) as lock:
    if os.fork() == 0:
        sys.stdin.read()
        os._exit(0)
    print("forked", flush=True)
    if sys.argv[2] == "dies":
        os.kill(os.getpid(), 9)
print("released", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("end", ["dies", "releases"])
def test_a_forked_child_does_not_keep_the_lock(path, end):
    command = [sys.executable, "-c", FORKS, str(path), end]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as process:
        assert process.stdout.readline() == "forked\n"
        if end == "releases":
            assert process.stdout.readline() == "released\n"

        until(lambda: not busy(path), what="the lock of a parent that has ended")


def test_release_and_remove_frees_the_lock_and_leaves_no_file(path):
    with acquire(path) as lock:
        lock.release_and_remove()

        assert not lock
        assert list(path.parent.iterdir()) == []
        assert not busy(path)


def test_a_lock_whose_file_was_removed_during_the_attempt_is_not_acquired(path, monkeypatch):
    real = fcntl.flock

    def swept(handle, operation):
        path.unlink()
        return real(handle, operation)

    monkeypatch.setattr(fcntl, "flock", swept)
    assert busy(path)

    monkeypatch.setattr(fcntl, "flock", real)
    assert not busy(path)


def test_a_missing_folder_makes_the_volume_unusable(tmp_path):
    with pytest.raises(VolumeUnusable), acquire(tmp_path / "absent" / "file.lock"):
        pass


def test_a_full_disk_is_reported(path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(DiskFull, match="not enough space"), acquire(path):
        pass
