"""Two workers on one host: a name each, and neither drains, voids or hides the other's job."""

from __future__ import annotations

import signal
import time
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from jobs.states import Outcome, State
from jobs.tables import Worker
from tests.jobs import build
from tests.waiting import until
from tests.workers.process import ended, outcomes, running_pid
from workers.worker_name import worker_name

DEFAULT = "kinomill@%h-%g-%b"


@pytest.mark.parametrize(
    ("devices", "part"),
    [("0", "gpu0"), ("2,3", "gpu2.3"), ("GPU-8d1fe6c2-77aa-41", "gpuGPU.8d1fe6c2.77aa.41")],
)
def test_a_name_has_the_host_and_its_gpus(devices, part):
    name = worker_name("kinomill@%h-%g", devices)

    assert name.startswith("kinomill@")
    assert name.endswith(f"-{part}")


@pytest.mark.parametrize("devices", ["", "-1"])
def test_a_worker_without_a_gpu_says_so(devices):
    assert worker_name("kinomill@a-%g", devices) == "kinomill@a-cpu"


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
