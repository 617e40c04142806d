"""The threads of a worker's parent, which answers for its child and never imports a model."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from workers import licenses
from workers.parent.health_server import Health
from workers.parent.heartbeat import Presence, Show
from workers.parent.queue_subscriber import Consuming, open_at_once
from workers.parent.readiness import Readiness
from workers.parent.weights_prefetcher import Larder
from workers.preflight import UnsafeConfiguration
from workers.shared import child_status
from workers.shared.model_weights import Shelf
from workers.shared.startup_timing import process_seconds, tell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from models.spec import Card
    from runtime.database import SessionFactory
    from workers.parent.heartbeat import Answer
    from workers.settings import WorkerSettings


@dataclass(frozen=True)
class Parent:
    """From the start of the process to its end."""

    larder: Larder
    readiness: Readiness
    consuming: Consuming
    presence: Presence
    health: Health | None
    folder: Path

    @classmethod
    def made(
        cls,
        name: str,
        cards: Mapping[str, Card],
        on_demand: frozenset[str],
        settings: WorkerSettings,
        sessions: SessionFactory,
        answers: Callable[[], Iterable[Answer]],
    ) -> Self:
        """All parts, none started. Raises `UnsafeConfiguration` for a license not accepted."""
        warm = frozenset(cards) - on_demand
        check_licenses([cards[name] for name in sorted(warm)], settings.accept_licenses)
        folder = child_status.prepare(os.getpid())
        larder = Larder(Shelf(settings), cards, warm, sessions)
        readiness = Readiness(larder, warm, folder)
        consuming = Consuming(cards, open_at_once(cards.values(), on_demand), readiness)

        def show() -> Show:
            now = readiness.standing()
            return Show(consuming.models, now.weights, now.switches, now.busy)

        presence = Presence(name, sessions, settings, show, answers, on_drain=larder.stop)
        port = settings.health_port
        health = None if port is None else Health(settings.health_host, port, readiness)
        return cls(larder, readiness, consuming, presence, health, folder)

    def start(self) -> None:
        """The process has begun: fill the volume, and tell whoever asks how far that is."""
        tell("process_start", process_seconds(), process="parent")
        self.larder.start()
        if self.health is not None:
            self.health.start()

    def appear(self, consumer: Any) -> None:
        """Celery is ready to take jobs."""
        self.presence.start()
        self.consuming.start(consumer)

    def drain(self) -> None:
        """The worker was told to stop. May be called in a signal handler, and more than once."""
        self.readiness.draining = True
        self.consuming.stop()
        self.presence.drain()

    def stop(self) -> None:
        """The process ends."""
        self.consuming.stop()
        self.larder.stop()
        self.presence.stop()
        self.larder.join()
        if self.health is not None:
            self.health.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def check_licenses(cards: Iterable[Card], accepted: frozenset[str]) -> None:
    """Refuse to warm a model up against terms that nobody accepted."""
    sentences = [f"- {one}" for one in licenses.objections(cards, accepted)]
    if sentences:
        text = "\n".join(["kinomill worker: refusing to start.", *sentences])
        raise UnsafeConfiguration(text)
