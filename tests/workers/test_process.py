"""A real worker: a parent that always answers, a child that may die, and no job lost."""

from __future__ import annotations

import os
import signal
import time

import pytest
from celery import Celery

from housekeeper.loop import Housekeeper
from jobs.dispatch import Doorbell, call_for
from jobs.states import Event, Outcome, State
from storage.local import LocalStorage
from tests.jobs import build
from tests.waiting import until
from tests.workers.conftest import SECRET
from tests.workers.process import WorkerProcess, alive, maps

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("worker")]

MODELS = '["tests.workers.script:CARD", "tests.workers.script:HASTY", "preview-lipsync"]'
GPU_AND_MEDIA = ("torch", "cv2", "libav", "numpy")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("workers")


@pytest.fixture(scope="module")
def store(folder):
    return LocalStorage(folder / "store", public_url="http://api.test", secret=SECRET.encode())


@pytest.fixture(scope="module")
def hire(database_url, broker_url, folder):
    """Start workers, each on a broker of its own; whatever is left is killed at the end."""
    hired, doorbells = [], {}

    def start(name, *, broker):
        url = broker_url.removesuffix("/0") + f"/{broker}"
        (folder / name).mkdir()
        worker = WorkerProcess(
            folder / name,
            name=name,
            DATABASE_URL=database_url,
            REDIS_URL=url,
            FRAMEMILL_STORAGE=str(folder / "store"),
            FRAMEMILL_SECRET_KEY=SECRET,
            FRAMEMILL_MODELS=MODELS,
            FRAMEMILL_LOG_FORMAT="json",
            FRAMEMILL_BEAT="0.2",
        )
        hired.append(worker)
        worker.broker_url = url
        worker.doorbell = doorbells.setdefault(broker, Doorbell(url))
        return worker.await_ready()

    yield start
    for worker in hired:
        worker.close()
    for doorbell in doorbells.values():
        doorbell.close()


@pytest.fixture(scope="module")
def worker(hire):
    return hire("steady", broker=1)


@pytest.fixture
def gate(tmp_path):
    """A file that lets the jobs of this test go on: there at the end, whatever happened."""
    path = tmp_path / "gate"
    yield path
    path.touch()


@pytest.fixture
def send(sessions):
    """Submit a job of the script model and ring a worker for it; returns its id."""

    def send(worker, *acts, gate="", model="script"):
        params = {"acts": list(acts), "gate": str(gate)}
        job_id = build.submitted(sessions, model=model, queue="script", input=params)
        worker.doorbell.ring(call_for(build.job(sessions, job_id)))
        return job_id

    return send


def keeper(sessions, worker):
    return Housekeeper(sessions, worker.doorbell, 3)


def running_pid(sessions, job_id, *, attempt=1):
    """The pid of the child that runs this attempt, once the model is at work."""

    def found():
        job = build.job(sessions, job_id)
        return job.phase == "generating" and job.attempt == attempt

    until(found, what=f"attempt {attempt} to run")
    return build.attempt(sessions, job_id, attempt).pid


def ended(sessions, job_id, *, swept_for=None):
    """The job, once it is final; a housekeeper sweeps for this worker meanwhile."""

    def final():
        if swept_for is not None:
            keeper(sessions, swept_for).sweep()
        job = build.job(sessions, job_id)
        return job if State(job.state).final else None

    return until(final, seconds=60, what="the end of the job")


def outcomes(sessions, job_id):
    attempts = range(1, build.job(sessions, job_id).attempt + 1)
    return [build.attempt(sessions, job_id, number).outcome for number in attempts]


def videos(store, job_id):
    return [found.key for found in store.keys(f"results/{job_id}/")]


def test_the_parent_answers_while_a_job_runs_and_carries_no_media_library(
    worker, send, sessions, gate
):
    job_id = send(worker, "wait_deaf", gate=gate)
    pid = running_pid(sessions, job_id)

    with Celery(broker=worker.broker_url, set_as_current=False) as app:
        answers = app.control.ping(destination=[worker.name], timeout=10, limit=1)

    assert answers == [{worker.name: {"ok": "pong"}}]
    assert pid in worker.children()
    libraries = maps(worker.process.pid)
    assert [name for name in GPU_AND_MEDIA if name in libraries] == []
    gate.touch()
    assert ended(sessions, job_id).state == State.SUCCEEDED


def test_a_killed_child_costs_an_attempt_and_seconds(worker, send, sessions, store, gate):
    job_id = send(worker, "wait", gate=gate)
    pid = running_pid(sessions, job_id)

    os.kill(pid, signal.SIGKILL)
    gate.touch()
    start = time.monotonic()
    until(
        lambda: keeper(sessions, worker).sweep() or requeued(sessions, job_id), what="the requeue"
    )
    seconds = time.monotonic() - start
    job = ended(sessions, job_id, swept_for=worker)

    assert seconds < 10
    assert outcomes(sessions, job_id) == [Outcome.LOST, Outcome.SUCCEEDED]
    assert videos(store, job_id) == [job.result["key"]]
    assert build.events(sessions, job_id).count(Event.PUBLISHED) == 1
    assert build.attempt(sessions, job_id, 2).pid in worker.children()


def requeued(sessions, job_id):
    return Event.REQUEUED in build.events(sessions, job_id)


def test_an_attempt_beyond_its_time_limit_is_killed_and_the_worker_goes_on(
    worker, send, sessions, gate
):
    slow = send(worker, "wait_deaf", gate=gate, model="hasty")
    job = ended(sessions, slow)
    after = send(worker)

    assert (job.state, job.error["code"], job.attempt) == (State.FAILED, "timeout", 1)
    assert ended(sessions, after).state == State.SUCCEEDED


def test_a_job_that_kills_its_worker_is_tried_three_times_and_others_flow(worker, send, sessions):
    poison, other = send(worker, "die"), send(worker)

    job = ended(sessions, poison, swept_for=worker)

    assert (job.state, job.error["code"]) == (State.FAILED, "worker_lost")
    assert outcomes(sessions, poison) == [Outcome.LOST] * 3
    assert ended(sessions, other, swept_for=worker).state == State.SUCCEEDED


def test_a_canceled_job_frees_the_child_and_the_child_stays(worker, send, sessions, gate):
    job_id = send(worker, "wait", gate=gate)
    pid = running_pid(sessions, job_id)

    build.cancel(sessions, job_id)
    after = send(worker)

    assert ended(sessions, job_id).state == State.CANCELED
    ended(sessions, after)
    assert build.attempt(sessions, after).pid == pid


def test_a_second_call_for_a_running_job_is_dropped(worker, send, sessions, store, gate):
    job_id = send(worker, "wait", gate=gate)
    running_pid(sessions, job_id)

    worker.doorbell.ring(call_for(build.job(sessions, job_id)))
    gate.touch()
    ended(sessions, job_id)
    ended(sessions, send(worker))

    assert outcomes(sessions, job_id) == [Outcome.SUCCEEDED]
    assert len(videos(store, job_id)) == 1


def test_a_killed_parent_takes_its_child_along(hire, send, sessions, store, gate):
    mortal = hire("mortal", broker=2)
    job_id = send(mortal, "wait", gate=gate)
    pid = running_pid(sessions, job_id)

    mortal.process.kill()
    start = time.monotonic()
    until(lambda: not alive(pid), what="the end of the child")
    seconds = time.monotonic() - start
    build.expire(sessions, job_id)
    gate.touch()
    heir = hire("heir", broker=2)
    job = ended(sessions, job_id, swept_for=heir)

    assert seconds < 2
    assert outcomes(sessions, job_id) == [Outcome.LOST, Outcome.SUCCEEDED]
    assert videos(store, job_id) == [job.result["key"]]


def test_a_worker_told_to_stop_ends_its_job_first(hire, send, sessions, gate):
    busy = hire("busy", broker=3)
    job_id = send(busy, "wait", gate=gate)
    running_pid(sessions, job_id)

    busy.process.send_signal(signal.SIGTERM)
    gate.touch()

    assert busy.process.wait(30) == 0
    assert build.job(sessions, job_id).state == State.SUCCEEDED


def test_an_idle_worker_told_to_stop_is_gone_within_seconds(hire, send, sessions):
    idle = hire("idle", broker=4)
    ended(sessions, send(idle))

    start = time.monotonic()
    status = idle.terminate()

    assert status == 0
    assert time.monotonic() - start < 10
    assert idle.children() == []
