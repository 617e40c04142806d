"""The parent's thread that fills the volume: for warm models, and for what operators wish."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import SQLAlchemyError

from jobs.fleet import prefetch_requests
from jobs.fleet.worker_registry import WeightsState, WeightsStatus
from weights.errors import PullStopped, SourceUnavailable, WeightsError
from workers.shared.startup_timing import timed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from models.spec import Card
    from runtime.database import SessionFactory
    from weights.progress import TransferProgress
    from workers.shared.model_weights import ModelWeights

log = structlog.get_logger()

POLL_SECONDS = 2.0
"""How often it looks at the volume and at the wishes."""
FIRST_RETRY_SECONDS, MAX_RETRY_SECONDS = 5.0, 300.0
"""A pull that failed is tried again after 5, 10, 20 … seconds, at most 300, for ever."""
STOP_TIMEOUT_SECONDS = 3.0


@dataclass
class _FailedPull:
    """A model whose pull failed, and when it is tried again."""

    detail: str
    failures: int = 1
    not_before: float = 0.0
    asked_at: datetime | None = None


class WeightsPrefetcher:
    """Knows what the volume holds of each card, and fetches what is missing, one at a time."""

    def __init__(
        self,
        model_weights: ModelWeights,
        cards: Mapping[str, Card],
        warm: frozenset[str],
        sessions: SessionFactory,
    ) -> None:
        self._model_weights = model_weights
        self._cards = cards
        self._warm = warm
        self._sessions = sessions
        self._failed_pulls: dict[str, _FailedPull] = {}
        self._prefetch_requests: dict[str, datetime] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="weights-prefetcher", daemon=True)
        self.weights: dict[str, WeightsStatus] = {
            name: WeightsStatus(state=WeightsState.ABSENT) for name in cards
        }
        """What the volume holds of each model, at this moment."""

    def start(self) -> None:
        """Begin: nothing waits for it."""
        self._thread.start()

    def stop(self) -> None:
        """End a pull that runs; what it fetched stays for the next one."""
        self._over.set()

    def join(self) -> None:
        """Wait a moment for the end."""
        if self._thread.is_alive():
            self._thread.join(STOP_TIMEOUT_SECONDS)

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                pulled = self._tick()
            except Exception:
                log.exception("prefetcher: round failed")
                pulled = False
            if not pulled:
                self._over.wait(POLL_SECONDS)

    def _tick(self) -> bool:
        """Look at everything, then pull the first model that is wanted and due."""
        for name in self._cards:
            self._check_volume(name)
        self._read_prefetch_requests()
        wanted = [
            name for name in self._cards if name in self._warm or name in self._prefetch_requests
        ]
        missing = [name for name in wanted if self.weights[name].state is not WeightsState.ON_DISK]
        due = [name for name in missing if self._due(name)]
        if due:
            self._pull(due[0])
        return bool(due)

    def _check_volume(self, name: str) -> None:
        found = self._model_weights.status(self._cards[name])
        if found.state is WeightsState.ON_DISK:
            self._failed_pulls.pop(name, None)
        elif name in self._failed_pulls and found.state is WeightsState.ABSENT:
            detail = self._failed_pulls[name].detail
            found = found.model_copy(update={"state": WeightsState.FAILED, "detail": detail})
        self.weights[name] = found

    def _read_prefetch_requests(self) -> None:
        try:
            with self._sessions() as session:
                wanted = prefetch_requests.requested(session)
        except SQLAlchemyError as error:
            log.warning("prefetcher: database unavailable", error=str(error))
            return
        self._prefetch_requests = {name: at for name, at in wanted.items() if name in self._cards}

    def _due(self, name: str) -> bool:
        failed = self._failed_pulls.get(name)
        asked_again = failed is not None and self._prefetch_requests.get(name) != failed.asked_at
        return failed is None or asked_again or time.monotonic() >= failed.not_before

    def _pull(self, name: str) -> None:
        card = self._cards[name]

        def watch(progress: TransferProgress) -> None:
            self.weights[name] = self._model_weights.status_with(
                card, WeightsState.DOWNLOADING, progress
            )

        log.info("pulling weights", model=name)
        try:
            with timed("pull", model=name):
                self._model_weights.pull(card, watch, self._over)
        except PullStopped:
            log.info("pull stopped", model=name)
        except WeightsError as error:
            self._record_failure(name, error)
        except Exception as error:
            log.exception("pull met an error", model=name)
            self._record_failure(name, error)
        else:
            self._failed_pulls.pop(name, None)
        self._check_volume(name)

    def _record_failure(self, name: str, error: Exception) -> None:
        failures = self._failed_pulls[name].failures + 1 if name in self._failed_pulls else 1
        wait = min(FIRST_RETRY_SECONDS * 2 ** (failures - 1), MAX_RETRY_SECONDS)
        if isinstance(error, SourceUnavailable):
            wait = max(wait, error.retry_after_seconds or 0.0)
        detail = str(error) if isinstance(error, WeightsError) else "See the worker's log."
        self._failed_pulls[name] = _FailedPull(
            detail, failures, time.monotonic() + wait, self._prefetch_requests.get(name)
        )
        log.error("weights could not be pulled", model=name, detail=detail, again_in=wait)
