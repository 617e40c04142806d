"""The threads of a worker's parent process. It supervises the child and never imports a model."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from workers.parent.health_server import HealthServer
from workers.parent.heartbeat import WorkerHeartbeat, WorkerStatus
from workers.parent.idle_exit import IdleExit
from workers.parent.metrics.dropped import dropped_messages
from workers.parent.metrics.gpus import Gpus
from workers.parent.metrics.nvml import Nvml
from workers.parent.pod_deletion_cost import PodDeletionCost, PodMarker
from workers.parent.queue_subscriber import QueueSubscriber, initial_queues
from workers.parent.readiness import Readiness
from workers.parent.resource_monitor import ResourceMonitor
from workers.parent.weights_prefetcher import WeightsPrefetcher
from workers.preflight import UnsafeConfiguration, check_licenses
from workers.settings import kubernetes_api, visible_devices
from workers.shared import child_status
from workers.shared.model_weights import ModelWeights
from workers.shared.startup_timing import log_phase, process_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from jobs.fleet.worker_registry import Registration
    from models.spec import Card
    from runtime.database import SessionFactory
    from workers.parent.heartbeat import RunningTask
    from workers.settings import WorkerSettings


@dataclass(frozen=True)
class WorkerSupervisor:
    """All threads of the parent, from the start of the process to its end."""

    prefetcher: WeightsPrefetcher
    readiness: Readiness
    subscriber: QueueSubscriber
    heartbeat: WorkerHeartbeat
    health: HealthServer | None
    folder: Path
    resources: ResourceMonitor
    deletion_cost: PodDeletionCost | None = None

    @classmethod
    def create(
        cls,
        name: str,
        cards: Mapping[str, Card],
        on_demand: frozenset[str],
        settings: WorkerSettings,
        sessions: SessionFactory,
        running_tasks: Callable[[], Iterable[RunningTask]],
    ) -> Self:
        """Create the threads without starting them.

        Raises `UnsafeConfiguration` for a license that was not accepted, or a health port in use.
        """
        warm = frozenset(cards) - on_demand
        check_licenses([cards[name] for name in sorted(warm)], settings.accept_licenses)
        folder = child_status.create_folder(os.getpid())
        prefetcher = WeightsPrefetcher(ModelWeights(settings), cards, warm)
        readiness = Readiness(prefetcher, warm, folder)
        subscriber = QueueSubscriber(cards, initial_queues(cards.values(), on_demand), readiness)

        def status() -> WorkerStatus:
            now = readiness.snapshot()
            return WorkerStatus(
                subscriber.models, now.weights, now.evictions, dropped_messages(), now.changing
            )

        def follow(registration: Registration) -> None:
            subscriber.set_drained(drained=registration.drained)
            prefetcher.set_requests(registration.prefetch)

        gpus = Gpus(visible_devices(), Nvml.load())
        resources = ResourceMonitor(_volumes(settings), gpus)
        heartbeat = WorkerHeartbeat(
            name,
            sessions,
            settings,
            status,
            running_tasks,
            lambda: resources.latest,
            on_drain=prefetcher.stop,
            on_registration=follow,
        )
        if settings.exit_when_idle is not None:
            idle_exit = IdleExit(settings.exit_when_idle, heartbeat, subscriber, readiness)
            heartbeat.on_poll = idle_exit.check
        health = _health_server(name, settings, readiness, subscriber, running_tasks, gpus)
        cost = _deletion_cost(settings.pod_name, running_tasks)
        return cls(prefetcher, readiness, subscriber, heartbeat, health, folder, resources, cost)

    def start(self) -> None:
        """Start to download weights and to answer health checks."""
        log_phase("process_start", process_seconds(), process="parent")
        self.prefetcher.start()
        self.resources.start()
        if self.health is not None:
            self.health.start()
        if self.deletion_cost is not None:
            self.deletion_cost.start()

    def on_ready(self, consumer: Any) -> None:
        """Start the heartbeat and the subscriptions: Celery's consumer is ready for tasks."""
        self.heartbeat.start()
        self.subscriber.start(consumer)

    def drain(self) -> None:
        """Start to drain. May be called in a signal handler, and more than once."""
        self.readiness.draining = True
        self.subscriber.stop()
        self.heartbeat.drain()

    def stop(self) -> None:
        """Stop all threads and remove the child's status file: the process ends."""
        self.subscriber.stop()
        self.prefetcher.stop()
        self.heartbeat.stop()
        self.resources.stop()
        self.prefetcher.join()
        if self.deletion_cost is not None:
            self.deletion_cost.stop()
        if self.health is not None:
            self.health.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def _deletion_cost(
    pod: str | None, running_tasks: Callable[[], Iterable[RunningTask]]
) -> PodDeletionCost | None:
    if pod is None:
        return None
    api = kubernetes_api()
    if api is None:
        raise UnsafeConfiguration(
            "kinomill worker: KINOMILL_POD_NAME is set, but this is no pod of Kubernetes: unset it."
        )
    return PodDeletionCost(PodMarker(pod, *api), running_tasks)


def _volumes(settings: WorkerSettings) -> Mapping[str, Path]:
    """The folders whose free space counts, by name."""
    return {"weights": settings.weights, "scratch": settings.scratch}


def _health_server(
    name: str,
    settings: WorkerSettings,
    readiness: Readiness,
    subscriber: QueueSubscriber,
    running_tasks: Callable[[], Iterable[RunningTask]],
    gpus: Gpus,
) -> HealthServer | None:
    """The server of health checks, and of metrics. While they are off nothing is imported."""
    port = settings.health_port
    if port is None:
        return None
    if not settings.metrics:
        return HealthServer(settings.health_host, port, readiness)
    from workers.parent.metrics.worker_metrics import WorkerMetrics

    worker = WorkerMetrics(
        name, readiness, running_tasks, lambda: subscriber.drained, _volumes(settings), gpus
    )
    return HealthServer(settings.health_host, port, readiness, worker.render)
