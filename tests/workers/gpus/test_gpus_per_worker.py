"""A real worker with two processes for each job: `KINOMILL_GPUS_PER_WORKER=2`, without GPUs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from jobs.queue.broker import message_for
from jobs.states import Outcome, State
from tests.jobs import build
from tests.models.wan.parallel.processes import await_end, followers
from tests.waiting import until
from tests.workers.conftest import SECRET
from tests.workers.process import ROOT, ended, outcomes, running_pid

pytestmark = pytest.mark.acceptance

TWIN = {
    "KINOMILL_MODELS": '["tests.workers.twin:CARD"]',
    "KINOMILL_GPUS_PER_WORKER": "2",
    "CUDA_VISIBLE_DEVICES": "",
    "OMP_NUM_THREADS": "1",
}
LONG = 100


@pytest.fixture(scope="module")
def worker(start_worker):
    return start_worker("pair", broker=13, **TWIN)


@pytest.fixture
def submit(sessions):
    """Submit a job of so many steps; returns its id."""

    def submit(worker, steps=4):
        job_id = build.submitted(sessions, model="twin", queue="twin", input={"steps": steps})
        worker.broker.wake([message_for(build.job(sessions, job_id))], 1000)
        return job_id

    return submit


@pytest.fixture
def refused(tmp_path, database_url, broker_url):
    """Start the command with these variables; returns its status and what it says."""

    def run(variables):
        usual = {
            "DATABASE_URL": database_url,
            "REDIS_URL": broker_url,
            "KINOMILL_STORAGE": str(tmp_path / "store"),
            "KINOMILL_SECRET_KEY": SECRET,
            "KINOMILL_SCRATCH": str(tmp_path),
            "KINOMILL_WEIGHTS": str(tmp_path / "volume"),
            "PYTHONPATH": str(ROOT),
        }
        done = subprocess.run(
            [sys.executable, "-m", "cli.main", "worker"],
            cwd=ROOT,
            env=os.environ | usual | variables,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    return run


def followers_of(worker):
    """The followers of the worker's child, once there are some."""
    return until(
        lambda: [pid for child in worker.children() for pid in followers(child)],
        seconds=60,
        what="a follower",
    )


def test_a_job_runs_in_two_processes_and_says_so(worker, sessions, submit):
    job = ended(sessions, submit(worker))

    assert job.state == State.SUCCEEDED
    assert job.result["notes"]["gpus"] == 2
    assert len(followers_of(worker)) == 1


def test_a_canceled_job_stops_both_at_the_next_step(worker, sessions, submit):
    ended(sessions, submit(worker))
    before = followers_of(worker)
    job_id = submit(worker, LONG)
    running_pid(sessions, job_id)

    build.cancel(sessions, job_id)

    assert ended(sessions, job_id).state == State.CANCELED
    assert ended(sessions, submit(worker)).state == State.SUCCEEDED
    assert followers_of(worker) == before


def test_a_killed_follower_costs_an_attempt_and_a_new_child(worker, sessions, submit):
    ended(sessions, submit(worker))
    [lost] = followers_of(worker)
    job_id = submit(worker, LONG)
    pid = running_pid(sessions, job_id)

    os.kill(lost, signal.SIGKILL)
    until(lambda: outcomes(sessions, job_id) == [Outcome.RETRIED], what="the end of the attempt")
    after = submit(worker)

    assert build.attempt(sessions, job_id).error["code"] == "gpu_process_lost"
    assert ended(sessions, after, swept_for=worker).state == State.SUCCEEDED
    assert ended(sessions, job_id, swept_for=worker).state == State.SUCCEEDED
    assert build.attempt(sessions, after).pid != pid


def test_a_killed_worker_leaves_no_follower(start_worker, sessions, submit):
    worker = start_worker("doomed", broker=14, **TWIN)
    ended(sessions, submit(worker))
    own = followers_of(worker)
    running_pid(sessions, submit(worker, LONG))

    for pid in (worker.process.pid, *worker.children()):
        os.kill(pid, signal.SIGKILL)

    await_end(own)


def test_a_worker_that_drains_ends_its_followers(start_worker, sessions, submit):
    worker = start_worker("leaving", broker=14, **TWIN)
    ended(sessions, submit(worker))
    own = followers_of(worker)
    job_id = submit(worker, LONG)
    running_pid(sessions, job_id)

    assert worker.terminate(seconds=60) == 0

    assert outcomes(sessions, job_id)[0] in {Outcome.PREEMPTED, Outcome.SUCCEEDED}
    await_end(own)


def test_a_model_that_uses_one_gpu_is_served_with_a_warning(start_worker):
    models = {"KINOMILL_MODELS": '["tests.workers.script:CARD"]'}
    worker = start_worker("single", broker=15, **TWIN | models)

    assert "script cannot share a job among GPUs" in worker.log.read_text()


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"CUDA_VISIBLE_DEVICES": "0,1,2"}, "this worker sees 3 GPUs"),
        ({"CUDA_VISIBLE_DEVICES": "MIG-a,MIG-b"}, "set KINOMILL_GPUS_PER_WORKER to 1"),
        ({"KINOMILL_GPUS_PER_WORKER": "3"}, "should be 1, 2, 4 or 8"),
        ({"KINOMILL_GPUS": "0,1,2"}, "3 GPUs cannot be divided among workers of 2"),
        ({"KINOMILL_WAN_STEP_CACHE": "first_block:0.1"}, "KINOMILL_WAN_STEP_CACHE: turn it off"),
        ({"KINOMILL_WAN_COMPILE": "true"}, "KINOMILL_WAN_COMPILE: turn it off"),
        ({"KINOMILL_MODEL_MEMORY": "24GB"}, "KINOMILL_MODEL_MEMORY: unset it"),
    ],
)
def test_what_cannot_start_ends_in_a_sentence(refused, variables, words):
    status, output = refused(TWIN | variables)

    assert status == 1
    assert words in output
    assert "Traceback" not in output
