"""Starts a real worker and inspects its processes and jobs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from jobs.states import Event, State
from maintenance.loop import MaintenanceLoop
from tests.jobs import build
from tests.waiting import until

ROOT = Path(__file__).parents[2]
CHILD = ("early_start", "spawn_main")
"""What the command line of a first and of a later child contains."""


class WorkerProcess:
    """`kinomill worker`, ready once its heartbeat file exists."""

    def __init__(self, folder, *, name, pattern=None, **variables):
        self.name = pattern or f"{name}@test"
        self._alive = folder / "alive"
        self._alive.unlink(missing_ok=True)
        self.log = folder / "worker.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "workers", "--hostname", self.name],
                cwd=ROOT,
                env=os.environ | variables | {"KINOMILL_HEARTBEAT_FILE": str(self._alive)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def await_ready(self):
        until(lambda: self._alive.exists() or not self.running, what="the worker to be ready")
        assert self.running, self.log.read_text()
        return self

    @property
    def running(self):
        return self.process.poll() is None

    def children(self):
        """Pids of the pool's children, without multiprocessing's resource tracker."""
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        pids = [int(pid) for task in tasks for pid in task.read_text().split()]
        return [pid for pid in pids if any(word in command_line(pid) for word in CHILD)]

    def terminate(self, *, seconds=30.0):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def close(self):
        if self.running:
            self.process.kill()
        self.process.wait()


def command_line(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def alive(pid):
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def maps(pid):
    """The files that a process has mapped, such as its libraries."""
    return Path(f"/proc/{pid}/maps").read_text()


def keeper(sessions, worker):
    return MaintenanceLoop(sessions, worker.broker, 3)


def running_pid(sessions, job_id, *, attempt=1):
    """The pid of the child that runs this attempt, once the model generates."""

    def found():
        job = build.job(sessions, job_id)
        return job.phase == "generating" and job.attempt == attempt

    until(found, what=f"attempt {attempt} to run")
    return build.attempt(sessions, job_id, attempt).pid


def ended(sessions, job_id, *, swept_for=None):
    """The job, once it is final; a maintenance loop sweeps meanwhile."""

    def final():
        if swept_for is not None:
            keeper(sessions, swept_for).run_once()
        job = build.job(sessions, job_id)
        return job if State(job.state).final else None

    return until(final, seconds=180, what="the end of the job")


def outcomes(sessions, job_id):
    attempts = range(1, build.job(sessions, job_id).attempt + 1)
    return [build.attempt(sessions, job_id, number).outcome for number in attempts]


def videos(store, job_id):
    return [found.key for found in store.list_objects(f"results/{job_id}/")]


def requeued(sessions, job_id):
    return Event.REQUEUED in build.events(sessions, job_id)
