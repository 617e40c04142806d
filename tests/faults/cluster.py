"""Workers in processes, a maintenance loop in a thread, and jobs for them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import threading
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from jobs.queue.broker import Broker, message_for
from jobs.queue.publisher import Publisher
from jobs.states import Event, State
from maintenance.loop import MaintenanceLoop
from maintenance.storage_cleanup import StorageCleaner
from storage.local import LocalStorage
from tests.jobs import build
from tests.waiting import until
from tests.workers.conftest import SECRET
from tests.workers.process import WorkerProcess, alive

LEASE_SECONDS = 4.0
BEAT_SECONDS = 0.4
GRACE_SECONDS = 2.0
CARDS = ["tests.faults.actor:CARD", "tests.faults.actor:HASTY", "tests.faults.actor:RESTLESS"]
RECKLESS = ["tests.faults.reckless:CARD"]
"""For a worker without a boot check."""


class Crew:
    """All programs but the API, on the servers of a test."""

    def __init__(self, servers):
        self.servers = servers
        self.sessions = servers.sessions
        self.folder = Path(tempfile.mkdtemp(prefix="kinomill-crew-"))
        self.store = LocalStorage(
            self.folder / "store", public_url="http://api.test", secret=SECRET.encode()
        )
        self.gate = self.folder / "gate"
        self.workers = []
        self._broker = Broker(servers.broker_url)
        self._publisher = Publisher(self._broker, self.sessions)
        self._keepers = []

    def __enter__(self):
        self._publisher.start()
        return self

    def __exit__(self, *_):
        self.gate.touch()
        self.let_go()
        for worker in self.workers:
            worker.close()
        self._publisher.stop()
        self._broker.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # programs

    def hire(self, name="actor", *, cards=CARDS, ready=True, **variables):
        """Start a worker; with `ready` False it may also refuse to."""
        folder = self.folder / f"{name}-{len(self.workers)}"
        (folder / "scratch").mkdir(parents=True)
        worker = WorkerProcess(
            folder, name=folder.name, **self.environment(folder, cards) | variables
        )
        self.workers.append(worker)
        return worker.await_ready() if ready else worker

    def environment(self, folder, cards):
        return {
            "DATABASE_URL": self.servers.database_url,
            "REDIS_URL": self.servers.broker_url,
            "KINOMILL_STORAGE": str(self.folder / "store"),
            "KINOMILL_SECRET_KEY": SECRET,
            "KINOMILL_MODELS": json.dumps(cards),
            "KINOMILL_SCRATCH": str(folder / "scratch"),
            "KINOMILL_LEASE_TTL": str(LEASE_SECONDS),
            "KINOMILL_HEARTBEAT_INTERVAL": str(BEAT_SECONDS),
            "KINOMILL_CANCEL_GRACE": str(GRACE_SECONDS),
            "KINOMILL_WORKER_HEARTBEAT_INTERVAL": str(BEAT_SECONDS),
            "KINOMILL_LOG_FORMAT": "json",
        }

    def keep_house(self, **options):
        """Start a maintenance loop that sweeps often."""
        keeper = MaintenanceLoop(self.sessions, self._broker, 3, period_seconds=0.3, **options)
        thread = threading.Thread(target=keeper.run, name="maintenance")
        thread.start()
        self._keepers.append((keeper, thread))
        return keeper

    def let_go(self):
        """End all maintenance loops."""
        for keeper, _ in self._keepers:
            keeper.stop()
        for _, thread in self._keepers:
            thread.join(30)
        self._keepers.clear()

    # jobs

    def submit(self, *acts, model="actor", wish=None, **params):
        """Submit a job as the API does; returns its id. Its `wait` ends with this crew's gate."""
        job_input = {"acts": list(acts), "gate": str(self.gate)} | params
        wish = {"model": model, "queue": "actor", "input": job_input} | (wish or {})
        job_id = build.submitted(self.sessions, **wish)
        self._publisher.publish(message_for(self.job(job_id)))
        return job_id

    def publish(self, job_id):
        """One more call for the job."""
        self._broker.publish(message_for(self.job(job_id)))

    def calls_waiting(self):
        """How many calls no worker has taken; there is a list for each priority."""
        redis = self.servers.redis
        return sum(redis.llen(key) for key in redis.keys("actor*"))

    def job(self, job_id):
        return build.job(self.sessions, job_id)

    def sweep_orphans(self):
        """Delete what no job names, however young it is."""
        storeroom = StorageCleaner(self.sessions, lambda: self.store, orphan_age=timedelta(0))
        return storeroom.sweep_orphans()

    def running(self, job_id, *, attempt=1):
        """The pid of the child that runs this attempt, once the model is at work."""

        def at_work():
            job = self.job(job_id)
            return job.attempt >= attempt and job.phase == "generating"

        until(at_work, seconds=60, what=f"attempt {attempt} to run")
        return build.attempt(self.sessions, job_id, attempt).pid

    def ended(self, job_id, *, seconds=60):
        """The job, once it is final."""

        def final():
            job = self.job(job_id)
            return job if State(job.state).final else None

        return until(final, seconds=seconds, what=f"the end of {job_id}")

    def outcomes(self, job_id):
        """How its attempts ended, in order."""
        numbers = range(1, self.job(job_id).attempt + 1)
        return [build.attempt(self.sessions, job_id, number).outcome for number in numbers]

    def events(self, job_id):
        return build.events(self.sessions, job_id)

    def published_once(self, job_id):
        """One event, one object, and the object is the one that the job names."""
        result = self.job(job_id).result
        once = self.events(job_id).count(Event.PUBLISHED) == 1
        return once and self.videos(job_id) == [result["key"]]

    def videos(self, job_id):
        """The keys of all objects that attempts of this job have left."""
        return [found.key for found in self.store.list_objects(f"results/{job_id}/")]


def kill(pid):
    """SIGKILL, and wait until it is gone."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    until(lambda: not alive(pid), seconds=10, what=f"the end of process {pid}")
