"""The program that watches a worker a GPU: restarts, signals and its end, with small programs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.waiting import until
from tests.workers.process import alive
from workers.gpus import gpu_worker
from workers.gpus.gpu_worker import GpuWorker

ROOT = Path(__file__).parents[3]
HOST = """
import sys
from pathlib import Path
from workers.gpus import gpu_worker
from workers.gpus.gpu_host import GpuHost
from workers.gpus.gpu_worker import GpuWorker
from workers.settings import environment

gpu_worker.FIRST_PAUSE_SECONDS = 0.05
folder, programs = Path(sys.argv[1]), sys.argv[2:]
workers = [
    GpuWorker(str(n), [sys.executable, "-c", code], environment() | {"FILE": str(folder / str(n))},
              folder / f"{n}.alive")
    for n, code in enumerate(programs)
]
sys.exit(GpuHost(workers, folder / "host.alive").run())
"""
PREPARE = """
import os, pathlib, signal, sys, time
file = pathlib.Path(os.environ["FILE"])
starts = len(file.read_text().split()) if file.exists() else 0
with file.open("a") as log: log.write(f"{os.getpid()} ")
"""
READY = 'file.with_suffix(".alive").touch()\n'
STAY = f"""
def stop(number, _):
    file.with_suffix(".got").write_text(str(number))
    sys.exit(0)
for number in (signal.SIGTERM, signal.SIGINT): signal.signal(number, stop)
{READY}
file.with_suffix(".steady").touch()
while True: time.sleep(0.1)
"""


@pytest.fixture
def host(tmp_path):
    """Start a host of these programs; it is killed at the end."""
    started = []

    def start(*programs):
        codes = [PREPARE + code for code in programs]
        process = subprocess.Popen(
            [sys.executable, "-c", HOST, str(tmp_path), *codes],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def pids(folder, number):
    file = folder / str(number)
    return [int(pid) for pid in file.read_text().split()] if file.exists() else []


def ready(folder, *numbers):
    for number in numbers:
        until((folder / f"{number}.alive").exists, what=f"program {number} to be ready")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_each_worker_and_the_last_end_ends_the_host(host, tmp_path, number):
    process = host(STAY, STAY)
    ready(tmp_path, 0, 1)

    process.send_signal(number)

    assert process.wait(20) == 0
    assert [(tmp_path / f"{n}.got").read_text() for n in (0, 1)] == [str(int(number))] * 2


def test_a_worker_that_fails_is_started_again_and_the_other_is_left_alone(host, tmp_path):
    process = host(STAY, READY + "time.sleep(0.3)\nif starts < 2: sys.exit(3)\n" + STAY)
    until((tmp_path / "1.steady").exists, what="the third start")
    ready(tmp_path, 0)

    assert [len(pids(tmp_path, n)) for n in (0, 1)] == [1, 3]
    process.terminate()
    assert process.wait(20) == 0


def test_a_killed_worker_is_started_again(host, tmp_path):
    host(STAY, STAY)
    ready(tmp_path, 0, 1)

    os.kill(pids(tmp_path, 1)[0], signal.SIGKILL)

    until(lambda: len(pids(tmp_path, 1)) == 2, what="a restart")
    assert len(pids(tmp_path, 0)) == 1


def test_a_worker_that_ends_well_is_not_started_again(host, tmp_path):
    process = host("time.sleep(0.5)\n", READY + "time.sleep(1)\n")

    assert process.wait(20) == 0
    assert [len(pids(tmp_path, n)) for n in (0, 1)] == [1, 1]


def test_if_none_was_ever_ready_one_failure_ends_all(host, tmp_path):
    process = host("time.sleep(60)\n", "time.sleep(0.5)\nsys.exit(4)\n")

    assert process.wait(20) == 4
    assert len(pids(tmp_path, 1)) == 1
    assert not any(alive(pid) for pid in pids(tmp_path, 0))


def test_a_worker_that_a_signal_ends_before_it_could_drain_is_no_failure(host, tmp_path):
    process = host("time.sleep(60)\n", "time.sleep(60)\n")
    until(lambda: pids(tmp_path, 0) and pids(tmp_path, 1), what="both programs")

    process.terminate()

    assert process.wait(20) == 0


def test_workers_drain_when_the_host_is_killed(host, tmp_path):
    process = host(STAY)
    ready(tmp_path, 0)

    process.kill()

    until((tmp_path / "0.got").exists, what="the signal")


def test_the_heartbeat_file_is_as_old_as_that_of_the_oldest_worker(host, tmp_path):
    host(STAY, STAY)
    ready(tmp_path, 0, 1)
    os.utime(tmp_path / "1.alive", (1000, 1000))

    shared = tmp_path / "host.alive"
    until(lambda: shared.exists() and shared.stat().st_mtime == 1000, what="the age")


def test_pauses_double_up_to_a_minute_and_start_over_after_a_steady_run(tmp_path, monkeypatch):
    worker = GpuWorker("0", ["true"], os.environ, tmp_path / "alive")
    worker._started = time.monotonic()
    pauses = [worker.restart_later() for _ in range(8)]

    monkeypatch.setattr(gpu_worker, "STEADY_SECONDS", 0.0)

    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    assert worker.restart_later() == 1
    assert not worker.restart_due
