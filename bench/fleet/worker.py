"""A worker without a model: registration, heartbeats, claims, leases and ends are the real ones."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter, defaultdict
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from celery.events import EventDispatcher
from kombu import Connection, Consumer, Exchange, Queue

from jobs import lease as leases
from jobs.queue.broker import celery_settings
from jobs.queue.claim import Claimant, claim
from jobs.states import Phase
from runtime.database import create_database_engine, create_session_factory, create_worker_engine
from runtime.postgres.connections import WORKER_PARENT
from workers.child.lease_keeper import LeaseKeeper, LeaseKeeperConfig
from workers.parent.heartbeat import RunningTask, WorkerHeartbeat, WorkerStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery import Celery

    from jobs.lease import ControlSignals, Lease
    from workers.settings import WorkerSettings

MODEL = "noop"
EVENT_SECONDS = 2.0
"""How often Celery's worker sends an event."""
POLL_SECONDS = 0.25


class Measures:
    """Milliseconds of each act since the last `take`, and counts, of all workers of a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reset()

    def _reset(self) -> None:
        self._times: defaultdict[str, list[float]] = defaultdict(list)
        self._counts: Counter[str] = Counter()

    @contextmanager
    def time(self, act: str) -> Iterator[None]:
        """Measure the block, unless it fails: then its error is counted."""
        begin = time.perf_counter()
        try:
            yield
        except Exception as error:
            self.count(f"{act}: {type(error).__name__}")
            raise
        with self._lock:
            self._times[act].append(1000 * (time.perf_counter() - begin))

    def count(self, what: str) -> None:
        with self._lock:
            self._counts[what] += 1

    def take(self) -> dict[str, Any]:
        with self._lock:
            taken = {"times": dict(self._times), "counts": dict(self._counts)}
            self._reset()
        return taken


class TimedHeartbeat(WorkerHeartbeat):
    """Measures each write of the worker's row."""

    measures: Measures

    def _write_row(self, status: WorkerStatus) -> None:
        with self.measures.time("heartbeat"):
            super()._write_row(status)


class TimedKeeper(LeaseKeeper):
    """Measures each renewal of a lease."""

    measures: Measures

    def _renew_lease(self) -> ControlSignals:
        with self.measures.time("renewal"):
            return super()._renew_lease()


class SimulatedWorker(threading.Thread):
    """Takes messages as Celery's worker does; its jobs last `job_seconds`."""

    def __init__(
        self,
        name: str,
        settings: WorkerSettings,
        app: Celery,
        measures: Measures,
        *,
        job_seconds: float,
        gossip: bool,
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._settings, self._app, self._measures = settings, app, measures
        self._job_seconds, self._gossip = job_seconds, gossip
        self._stopping = threading.Event()
        self._task: RunningTask | None = None
        self._next_event = 0.0
        url, pooler = settings.database_url.get_secret_value(), settings.database_pooler
        self._parent = create_database_engine(url, WORKER_PARENT, pooler=pooler, program="worker")
        self._child = create_worker_engine(url, transactions=False, pooler=pooler, program="worker")
        sessions = create_session_factory(self._parent)
        self._heartbeat = TimedHeartbeat(name, sessions, settings, self._status, self._tasks)
        self._heartbeat.measures = measures

    def stop(self) -> None:
        """End after the running job's next second."""
        self._stopping.set()

    def run(self) -> None:
        with self._measures.time("registration"):
            self._heartbeat.take_name()
        self._heartbeat.start()
        broker = self._settings.redis_url.get_secret_value()
        options = celery_settings()["broker_transport_options"]
        with Connection(broker, transport_options=options) as connection:
            self._events = EventDispatcher(connection.clone(), hostname=self.name, app=self._app)
            with self._consumer(connection):
                while not self._stopping.is_set():
                    self._drain(connection)
        self._heartbeat.stop()
        self._parent.dispose()
        self._child.dispose()

    @contextmanager
    def _consumer(self, connection: Connection) -> Iterator[None]:
        queue = Queue(MODEL, Exchange(MODEL, "direct"), routing_key=MODEL)
        jobs = Consumer(connection, [queue], callbacks=[self._on_message], prefetch_count=1)
        with jobs:
            if not self._gossip:
                yield
                return
            receiver = self._app.events.Receiver(connection.channel(), routing_key="worker.#")
            options = {"on_message": lambda _: self._measures.count("event heard")}
            with Consumer(receiver.channel, [receiver.queue], no_ack=True, **options):
                yield

    def _drain(self, connection: Connection) -> None:
        self._send_event()
        try:
            connection.drain_events(timeout=POLL_SECONDS)
        except TimeoutError:
            return

    def _send_event(self) -> None:
        if time.monotonic() >= self._next_event:
            self._next_event = time.monotonic() + EVENT_SECONDS
            self._events.send("worker-heartbeat", freq=EVENT_SECONDS)
            self._measures.count("event sent")

    def _on_message(self, _: Any, message: Any) -> None:
        task_id = message.headers["id"]
        with self._measures.time("claim"), self._child.begin() as connection:
            result = claim(connection, self._claimant(task_id), uuid4())
        if result.lease is None:
            self._measures.count("claims without a job")
        else:
            self._task = RunningTask(task_id, os.getpid())
            self._run_job(result.lease)
            self._task = None
        message.ack()

    def _run_job(self, lease: Lease) -> None:
        keeper = TimedKeeper(lease, self._child, self._keeper_config())
        keeper.measures = self._measures
        ends = time.monotonic() + self._job_seconds
        with keeper:
            while time.monotonic() < ends and not self._stopping.wait(POLL_SECONDS):
                left = ends - time.monotonic()
                keeper.report(Phase.GENERATING, round(100 * (1 - left / self._job_seconds)), 100)
                self._send_event()
            keeper.prepare_end()
            result = {"key": lease.result_key("mp4"), "size_bytes": 0}
            with self._measures.time("end"), self._child.begin() as connection:
                leases.succeed(connection, lease, result=result, timings=keeper.timings)
        self._measures.count("jobs")

    def _keeper_config(self) -> LeaseKeeperConfig:
        settings = self._settings
        return LeaseKeeperConfig(
            ttl=settings.lease_ttl,
            heartbeat_interval=settings.heartbeat_interval,
            cancel_grace=settings.cancel_grace,
            stall_limit=timedelta(hours=1),
            max_retries=settings.max_retries,
            max_preemptions=settings.max_preemptions,
            preview_seconds=0,
        )

    def _claimant(self, task_id: str) -> Claimant:
        ttl, pid = self._settings.lease_ttl, os.getpid()
        return Claimant(MODEL, MODEL, self.name, pid, task_id, ttl)

    def _status(self) -> WorkerStatus:
        return WorkerStatus((MODEL,))

    def _tasks(self) -> list[RunningTask]:
        task = self._task
        return [] if task is None else [task]
