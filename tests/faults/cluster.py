"""A cluster for tests: worker processes, a maintenance loop in a thread, and jobs for them."""

from __future__ import annotations

import json
import os
import signal
import threading
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from jobs.queue.broker import Broker, BrokerUnavailable, message_for
from jobs.states import Event, State
from maintenance.loop import MaintenanceLoop
from maintenance.storage_cleanup import StorageCleaner
from storage.local.store import LocalStorage
from tests.jobs import build
from tests.waiting import until
from tests.workers.conftest import SECRET
from tests.workers.process import WorkerProcess, alive

LEASE_SECONDS = 4.0
HEARTBEAT_SECONDS = 0.4
GRACE_SECONDS = 2.0
CARDS = [
    "tests.faults.faulty_model:CARD",
    "tests.faults.faulty_model:SHORT_LIMIT",
    "tests.faults.faulty_model:SHORT_STALL",
]
UNCHECKED = ["tests.faults.unchecked_worker:CARD"]
"""For a worker without preflight checks."""


class Cluster:
    """All programs except the API, on the servers of a test."""

    def __init__(self, servers):
        self.servers = servers
        self.sessions = servers.sessions
        self._folder = TemporaryDirectory(prefix="kinomill-cluster-", ignore_cleanup_errors=True)
        self.folder = Path(self._folder.name)
        self.store = LocalStorage(
            self.folder / "store", public_url="http://api.test", secret=SECRET.encode()
        )
        self.gate = self.folder / "gate"
        self.workers = []
        self._broker = Broker(servers.broker_url)
        self._loops = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.gate.touch()
        self.stop_maintenance()
        for worker in self.workers:
            worker.close()
        self._broker.close()
        self._folder.cleanup()

    # programs

    def start_worker(self, name="faulty", *, cards=CARDS, ready=True, **variables):
        """Start a worker, and wait until it is ready unless `ready` is False."""
        folder = self.folder / f"{name}-{len(self.workers)}"
        (folder / "scratch").mkdir(parents=True)
        worker = WorkerProcess(
            folder, name=folder.name, **self.environment(folder, cards) | variables
        )
        self.workers.append(worker)
        return worker.await_ready() if ready else worker

    def environment(self, folder, cards):
        return {
            "DATABASE_URL": self.servers.program_url,
            "KINOMILL_DATABASE_POOLER": self.servers.pooler_setting,
            "REDIS_URL": self.servers.broker_url,
            "KINOMILL_STORAGE": str(self.folder / "store"),
            "KINOMILL_SECRET_KEY": SECRET,
            "KINOMILL_MODELS": json.dumps(cards),
            "KINOMILL_SCRATCH": str(folder / "scratch"),
            "KINOMILL_LEASE_TTL": str(LEASE_SECONDS),
            "KINOMILL_HEARTBEAT_INTERVAL": str(HEARTBEAT_SECONDS),
            "KINOMILL_CANCEL_GRACE": str(GRACE_SECONDS),
            "KINOMILL_WORKER_HEARTBEAT_INTERVAL": str(HEARTBEAT_SECONDS),
            "KINOMILL_LOG_FORMAT": "json",
        }

    def start_maintenance(self, **options):
        """Start a maintenance loop with short rounds."""
        loop = MaintenanceLoop(self.sessions, self._broker, 3, period_seconds=0.3, **options)
        thread = threading.Thread(target=loop.run, name="maintenance")
        thread.start()
        self._loops.append((loop, thread))
        return loop

    def stop_maintenance(self):
        """Stop all maintenance loops."""
        for loop, _ in self._loops:
            loop.stop()
        for _, thread in self._loops:
            thread.join(30)
        self._loops.clear()

    # jobs

    def submit(self, *acts, model="faulty", options=None, **params):
        """Submit a job as the API does; returns its id. A `wait` ends when `self.gate` exists."""
        job_input = {"acts": list(acts), "gate": str(self.gate)} | params
        options = {"model": model, "queue": "faulty", "input": job_input} | (options or {})
        job_id = build.submitted(self.sessions, **options)
        with suppress(BrokerUnavailable):  # maintenance sends another message
            self.publish(job_id)
        return job_id

    def publish(self, job_id):
        """Publish one more message that names the job."""
        self._broker.wake([message_for(self.job(job_id))], 1000)

    def pending_messages(self):
        """Number of messages that no worker has received."""
        return self.servers.redis.llen("faulty")

    def job(self, job_id):
        return build.job(self.sessions, job_id)

    def sweep_orphans(self):
        """Delete orphaned objects of any age."""
        cleaner = StorageCleaner(self.sessions, lambda: self.store, orphan_age=timedelta(0))
        return cleaner.sweep_orphans()

    def running(self, job_id, *, attempt=1):
        """The pid of the child that runs this attempt, once the model is generating."""

        def generating():
            job = self.job(job_id)
            return job.attempt >= attempt and job.phase == "generating"

        until(generating, seconds=60, what=f"attempt {attempt} to run")
        return build.attempt(self.sessions, job_id, attempt).pid

    def ended(self, job_id, *, seconds=60):
        """Wait until the job is final, and return it."""

        def final():
            job = self.job(job_id)
            return job if State(job.state).final else None

        return until(final, seconds=seconds, what=f"the end of {job_id}")

    def outcomes(self, job_id):
        """Outcomes of its attempts, in order."""
        numbers = range(1, self.job(job_id).attempt + 1)
        return [build.attempt(self.sessions, job_id, number).outcome for number in numbers]

    def events(self, job_id):
        return build.events(self.sessions, job_id)

    def published_once(self, job_id):
        """Whether there is one published event and one object, the one in the job's result."""
        result = self.job(job_id).result
        once = self.events(job_id).count(Event.PUBLISHED) == 1
        return once and self.videos(job_id) == [result["key"]]

    def videos(self, job_id):
        """Keys of all objects of the job's attempts."""
        return [found.key for found in self.store.list_objects(f"results/{job_id}/")]


def kill(pid):
    """Kill a process, and wait until it is gone."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    until(lambda: not alive(pid), seconds=10, what=f"the end of process {pid}")
