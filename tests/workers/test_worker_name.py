"""Two workers on one host: a name each, and neither drains, voids or hides the other's job."""

from __future__ import annotations

import signal
import socket
import time
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from jobs.states import Outcome, State
from jobs.tables import Worker
from tests.jobs import build
from tests.kinomill.cli.command import kinomill
from tests.runtime.test_each_setting import REQUIRED
from tests.waiting import until
from tests.workers.process import ended, outcomes, running_pid
from workers.worker_name import InvalidName, worker_name

DEFAULT = "kinomill@%h-%g-%b"


@pytest.mark.parametrize(
    ("devices", "part"),
    [("0", "gpu0"), ("2,3", "gpu2.3"), ("GPU-8d1fe6c2-77aa-41", "gpuGPU.8d1fe6c2.77aa.41")],
)
def test_a_name_has_the_host_and_its_gpus(devices, part):
    name = worker_name("kinomill@%h-%g", devices)

    assert name.startswith("kinomill@")
    assert name.endswith(f"-{part}")


@pytest.mark.parametrize("odd", ["@", "%", " ", ",", "%%", "\udcff"])
def test_a_host_name_that_is_no_part_of_a_workers_name_is_mended(monkeypatch, odd):
    monkeypatch.setattr(socket, "gethostname", lambda: f"a{odd}h")

    assert worker_name("kinomill@%h-%g", "0") == "kinomill@a-h-gpu0"


@pytest.mark.parametrize("devices", ["", "-1"])
def test_a_worker_without_a_gpu_says_so(devices):
    assert worker_name("kinomill@a-%g", devices) == "kinomill@a-cpu"


def test_parts_of_one_gpu_have_names_of_their_own():
    gpu = "MIG-GPU-8d1fe6c2-77aa-4152-9d8c-6f1f0c2f3a11"

    names = {worker_name("kinomill@a-%g", f"{gpu}/{part}/0") for part in range(7)}

    assert len(names) == 7
    assert max(map(len, names)) < 50


@pytest.mark.parametrize(
    "pattern", ["", " ", "a b", "a,b", "a@b@c", "@a", "a@", "%", "a@%z", "%n@%h", "%d", "a\nb"]
)
def test_a_pattern_that_gives_no_name_is_refused_in_one_sentence(pattern):
    with pytest.raises(InvalidName, match="write a word with at most one @"):
        worker_name(pattern, "0")


@pytest.mark.parametrize("more", [(), ("--gpus", "0,1")])
def test_the_program_ends_with_that_sentence(more):
    variables = REQUIRED | {"DATABASE_URL": "postgresql://127.0.0.1:9/x"}

    shown = kinomill("worker", "--name", "kinomill@%z", *more, **variables)

    assert shown.returncode == 1
    assert shown.stderr.startswith("kinomill")
    assert "--name 'kinomill@%z': write a word with at most one @" in shown.stderr
    assert "Traceback" not in shown.stderr


def test_no_two_starts_have_one_name():
    assert len({worker_name(DEFAULT, "0") for _ in range(100)}) == 100


def workers_of(sessions, *processes):
    """The rows of these processes, once all are there."""
    pids = [one.process.pid for one in processes]

    def rows():
        with sessions() as session:
            found = session.scalars(select(Worker).where(Worker.pid.in_(pids))).all()
        return {row.pid: row for row in found} if len(found) == len(pids) else None

    by_pid = until(rows, what="the workers to register")
    return [by_pid[pid] for pid in pids]


def served(sessions, worker):
    return until(lambda: workers_of(sessions, worker)[0].models, what="the models to load")


@pytest.mark.acceptance
def test_draining_one_of_two_workers_leaves_the_job_of_the_other_alone(
    start_worker, submit_to, sessions, gate
):
    one, two = (start_worker(name, broker=5, pattern=DEFAULT) for name in ("one", "two"))
    rows = workers_of(sessions, one, two)
    for worker in (one, two):
        served(sessions, worker)
    jobs = [submit_to(one, "wait", gate=gate) for _ in range(2)]
    pids = [running_pid(sessions, job_id) for job_id in jobs]
    leaving, staying = (one, two) if pids[0] in one.children() else (two, one)

    assert len({row.name for row in rows}) == 2
    assert build.queues(sessions, "script")["script"].workers >= 2
    leaving.process.send_signal(signal.SIGTERM)
    until(lambda: workers_of(sessions, leaving)[0].draining_until, what="the drain")
    time.sleep(1)
    gate.touch()
    assert [ended(sessions, job_id).state for job_id in jobs] == [State.SUCCEEDED] * 2
    assert [outcomes(sessions, job_id) for job_id in jobs] == [[Outcome.SUCCEEDED]] * 2
    leaving.process.wait(30)
    assert ended(sessions, submit_to(staying)).state == State.SUCCEEDED


@pytest.mark.acceptance
def test_a_worker_killed_in_its_drain_does_not_stop_the_other(
    start_worker, submit_to, sessions, gate
):
    killed, staying = (start_worker(name, broker=6, pattern=DEFAULT) for name in ("k", "s"))
    served(sessions, staying)
    job_id = submit_to(killed, "wait", gate=gate)
    pid = running_pid(sessions, job_id)
    first, other = (killed, staying) if pid in killed.children() else (staying, killed)

    first.process.send_signal(signal.SIGTERM)
    until(lambda: workers_of(sessions, first)[0].draining_until, what="the drain")
    first.process.kill()
    first.process.wait()
    served(sessions, other)
    after = submit_to(other)

    assert ended(sessions, after).state == State.SUCCEEDED
    gate.touch()


@pytest.mark.acceptance
def test_a_second_worker_of_a_name_is_refused_in_one_sentence_and_the_first_works_on(
    start_worker, launch_worker, submit_to, sessions, gate
):
    first = start_worker("first", broker=7, pattern="same@host")
    job_id = submit_to(first, "wait", gate=gate)
    running_pid(sessions, job_id)

    second = launch_worker("second", broker=7, pattern="same@host")

    assert second.process.wait(60) == 1
    assert [line for line in second.log.read_text().splitlines() if "kinomill" in line][-1] == (
        "kinomill worker: the name same@host is taken by a live worker: give each worker its own "
        "--name, or leave --name away, which gives each a new one"
    )
    assert "Traceback" not in second.log.read_text()
    gate.touch()
    assert ended(sessions, job_id).state == State.SUCCEEDED
    assert outcomes(sessions, job_id) == [Outcome.SUCCEEDED]


@pytest.mark.acceptance
def test_the_name_of_a_killed_worker_is_free_after_half_a_minute(start_worker, submit_to, sessions):
    killed = start_worker("old", broker=8, pattern="again@host")
    killed.process.kill()
    killed.process.wait()

    with sessions.begin() as session:
        silent = func.now() - timedelta(seconds=31)
        session.execute(update(Worker).where(Worker.name == "again@host").values(seen_at=silent))
    new = start_worker("new", broker=8, pattern="again@host")

    assert ended(sessions, submit_to(new)).state == State.SUCCEEDED
