"""`kinomill worker --gpus 0,1`: two real workers on one host, whose GPUs are pretended."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from cli.stack import free_port
from jobs.queue.broker import Broker, message_for
from jobs.states import Outcome, State
from jobs.tables import Worker
from maintenance.loop import MaintenanceLoop
from tests.jobs import build
from tests.waiting import until
from tests.workers.conftest import SECRET
from tests.workers.process import ROOT, ended, outcomes, requeued, running_pid

pytestmark = pytest.mark.acceptance

NAME = re.compile(r"kinomill@[^ ]+-gpu([01])-[0-9a-f]{8}")


class Host:
    """The command with its workers, and jobs for them."""

    def __init__(self, folder, sessions, database_url, broker_url, *arguments, **variables):
        self.sessions = sessions
        self.broker = Broker(broker_url)
        self.port = free_port()
        self.alive = folder / "alive"
        self.log = folder / "log"
        usual = {
            "DATABASE_URL": database_url,
            "REDIS_URL": broker_url,
            "KINOMILL_STORAGE": str(folder / "store"),
            "KINOMILL_SECRET_KEY": SECRET,
            "KINOMILL_MODELS": '["tests.workers.script:CARD"]',
            "KINOMILL_SCRATCH": str(folder),
            "KINOMILL_WEIGHTS": str(folder / "volume"),
            "KINOMILL_LOG_FORMAT": "json",
            "KINOMILL_HEARTBEAT_INTERVAL": "0.2",
            "KINOMILL_WORKER_HEARTBEAT_INTERVAL": "0.3",
            "KINOMILL_HEALTH_PORT": str(self.port),
            "KINOMILL_HEARTBEAT_FILE": str(self.alive),
            "PYTHONPATH": str(ROOT),
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cli.main", "worker", *arguments],
                cwd=ROOT,
                env=os.environ | usual | variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def workers(self, count=2):
        """The rows of its workers by GPU, once so many take jobs."""
        pids = self.pids()
        with self.sessions() as session:
            found = session.scalars(select(Worker).where(Worker.pid.in_(pids))).all()
        ready = [row for row in found if row.models]
        return {NAME.fullmatch(row.name)[1]: row for row in ready} if len(ready) == count else None

    def ready(self, count=2):
        return until(lambda: self.workers(count), seconds=60, what=f"{count} workers")

    def pids(self):
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return [int(pid) for task in tasks for pid in task.read_text().split()]

    def submit(self, *acts, gate=""):
        job_input = {"acts": list(acts), "gate": str(gate)}
        job_id = build.submitted(self.sessions, model="script", queue="script", input=job_input)
        self.broker.wake([message_for(build.job(self.sessions, job_id))], 1000)
        return job_id

    def holder(self, job_id):
        """The name of the worker that runs a job."""
        running_pid(self.sessions, job_id)
        return build.attempt(self.sessions, job_id).worker


@pytest.fixture
def host(tmp_path, sessions, database_url, broker_url):
    """Start the command; it and its workers are killed at the end."""
    started = []

    def start(*arguments, **variables):
        url = broker_url.removesuffix("/0") + "/12"
        running = Host(tmp_path, sessions, database_url, url, *arguments, **variables)
        started.append(running)
        return running

    yield start
    for running in started:
        pids = running.pids() if running.process.poll() is None else []
        running.process.kill()
        running.process.wait()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        running.broker.close()


def test_each_gpu_has_a_worker_with_a_name_a_port_and_log_lines_of_its_own(host):
    running = host("--gpus", "0,1")
    rows = running.ready()
    environments = {
        gpu: Path(f"/proc/{row.pid}/environ").read_text().split("\0") for gpu, row in rows.items()
    }
    statuses = [
        until(lambda port=port: httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200)
        for port in (running.port, running.port + 1)
    ]
    log = running.log.read_text()

    assert set(rows) == {"0", "1"}
    assert len({row.name for row in rows.values()}) == 2
    assert all(f"CUDA_VISIBLE_DEVICES={gpu}" in lines for gpu, lines in environments.items())
    assert statuses == [True, True]
    assert all(f'"worker": "{row.name}"' in log for row in rows.values())
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(30) == 0
    assert running.alive.exists()


def test_draining_one_leaves_the_job_of_the_other_alone(host, sessions, gate):
    running = host("--gpus", "0,1")
    rows = running.ready()
    jobs = [running.submit("wait", gate=gate) for _ in range(2)]
    holders = {running.holder(job_id): job_id for job_id in jobs}
    leaving, staying = rows["0"], rows["1"]

    os.kill(leaving.pid, signal.SIGTERM)
    with sessions() as session:
        until(lambda: session.get_one(Worker, leaving.name, populate_existing=True).draining_until)
        assert session.get_one(Worker, staying.name).draining_until is None
    gate.touch()

    assert set(holders) == {leaving.name, staying.name}
    assert [ended(sessions, job_id).state for job_id in jobs] == [State.SUCCEEDED] * 2
    assert outcomes(sessions, holders[staying.name]) == [Outcome.SUCCEEDED]
    assert set(running.ready(1)) == {"1"}
    assert ended(sessions, running.submit()).state == State.SUCCEEDED
    assert running.process.poll() is None


def test_a_killed_one_is_started_again_and_voids_no_lease_of_the_other(host, sessions, gate):
    running = host("--gpus", "0,1")
    rows = running.ready()
    jobs = [running.submit("wait", gate=gate) for _ in range(2)]
    holders = {running.holder(job_id): job_id for job_id in jobs}
    lost, kept = holders[rows["0"].name], holders[rows["1"].name]
    token = build.job(sessions, kept).lease_token

    os.kill(rows["0"].pid, signal.SIGKILL)
    build.expire(sessions, lost)
    loop = MaintenanceLoop(sessions, running.broker, 3)
    until(lambda: loop.run_once() or requeued(sessions, lost), what="the job to be queued again")
    again = until(
        lambda: (now := running.workers()) and now["0"].pid != rows["0"].pid and now,
        seconds=60,
        what="a new worker",
    )
    assert build.job(sessions, kept).lease_token == token
    gate.touch()

    assert again["0"].name != rows["0"].name
    assert ended(sessions, kept).state == State.SUCCEEDED
    assert outcomes(sessions, kept) == [Outcome.SUCCEEDED]
    assert ended(sessions, lost, swept_for=running).state == State.SUCCEEDED
    assert outcomes(sessions, lost) == [Outcome.LOST, Outcome.SUCCEEDED]


def test_idle_workers_end_and_then_the_host(host, sessions):
    running = host("--gpus", "0,1", "--exit-when-idle", "1")

    assert running.process.wait(60) == 0
    assert running.log.read_text().count("nothing to run, ending") == 2
    with sessions() as session:
        assert session.scalars(select(Worker)).all() == []


@pytest.mark.parametrize(
    ("arguments", "variables", "words"),
    [
        (["--gpus", "0,1", "--name", "one@host"], {}, "add %g or %b to --name"),
        (["--gpus", "0,0"], {}, "names a GPU twice"),
        (["--gpus", "all"], {"PATH": "/nowhere"}, "--gpus 0,1"),
        (["--gpus", "0,1"], {"KINOMILL_HEALTH_PORT": "65535"}, "no port for each worker"),
        (["--gpus", "0,1"], {"KINOMILL_DRAIN_WINDOW": "soon"}, "KINOMILL_DRAIN_WINDOW"),
        ([], {"KINOMILL_GPUS": "0,1", "KINOMILL_MODELS": "nobody"}, "there is no model 'nobody'"),
    ],
)
def test_what_cannot_start_ends_in_a_sentence(host, arguments, variables, words):
    running = host(*arguments, **variables)

    assert running.process.wait(30) == 1
    assert words in running.log.read_text()
    assert "Traceback" not in running.log.read_text()
