"""The parent's thread that downloads weights: of warm models, and of prefetch requests."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from jobs.fleet.worker_registry import WeightsState, WeightsStatus
from runtime.backoff import doubling_pause
from weights.errors import PullStopped, SourceUnavailable, WeightsError
from workers.shared.startup_timing import timed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from models.spec import Card
    from weights.progress import TransferProgress
    from workers.shared.model_weights import ModelWeights

log = structlog.get_logger()

POLL_SECONDS = 2.0
"""How often the volume is checked, and what was requested."""
FIRST_RETRY_SECONDS, MAX_RETRY_SECONDS = 5.0, 300.0
"""A failed pull is retried after 5, 10, 20 … seconds, at most 300, without end."""
MAX_RETRY_AFTER_SECONDS = 3600.0
"""Upper bound for the delay that a server asks for by `Retry-After`."""
STOP_TIMEOUT_SECONDS = 3.0


@dataclass
class _FailedPull:
    """A model whose pull failed, and when it is tried again."""

    detail: str
    failures: int = 1
    not_before: float = 0.0
    requested_at: str | None = None


class WeightsPrefetcher:
    """Knows what the volume has of each card, and downloads what is missing, one at a time."""

    def __init__(
        self,
        model_weights: ModelWeights,
        cards: Mapping[str, Card],
        warm: frozenset[str],
    ) -> None:
        self._model_weights = model_weights
        self._cards = cards
        self._warm = warm
        self._failed_pulls: dict[str, _FailedPull] = {}
        self._prefetch_requests: Mapping[str, str] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="weights-prefetcher", daemon=True)
        self.weights: dict[str, WeightsStatus] = {
            name: WeightsStatus(state=WeightsState.ABSENT) for name in cards
        }
        """What the volume has of each model now."""

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def set_requests(self, requested: Mapping[str, str]) -> None:
        """Download these models too; a time that differs from that of a failed pull retries it."""
        self._prefetch_requests = requested

    def stop(self) -> None:
        """Stop a running pull; the next one continues from what it downloaded."""
        self._stopping.set()

    def join(self) -> None:
        """Wait for the thread to end, at most `STOP_TIMEOUT_SECONDS`."""
        if self._thread.is_alive():
            self._thread.join(STOP_TIMEOUT_SECONDS)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                pulled = self._tick()
            except Exception:
                log.exception("prefetch of weights failed")
                pulled = False
            if not pulled:
                self._stopping.wait(POLL_SECONDS)

    def _tick(self) -> bool:
        """Check everything, then pull the first model that is needed and due. False: none is."""
        for name in self._cards:
            self._check_volume(name)
        needed = [
            name for name in self._cards if name in self._warm or name in self._prefetch_requests
        ]
        missing = [name for name in needed if self.weights[name].state is not WeightsState.ON_DISK]
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

    def _due(self, name: str) -> bool:
        """Whether to pull now: a new prefetch request does not wait for the retry."""
        failed = self._failed_pulls.get(name)
        if failed is None or self._prefetch_requests.get(name) != failed.requested_at:
            return True
        return time.monotonic() >= failed.not_before

    def _pull(self, name: str) -> None:
        card = self._cards[name]

        def watch(progress: TransferProgress) -> None:
            downloading = self._model_weights.status_with(card, WeightsState.DOWNLOADING, progress)
            self.weights[name] = downloading

        log.info("pulling weights", model=name)
        try:
            with timed("pull", model=name):
                self._model_weights.pull(card, watch, self._stopping)
        except PullStopped:
            log.info("pull stopped", model=name)
        except WeightsError as error:
            self._record_failure(name, error)
        except Exception as error:
            log.exception("unexpected error in a pull", model=name)
            self._record_failure(name, error)
        else:
            self._failed_pulls.pop(name, None)
        self._check_volume(name)

    def _record_failure(self, name: str, error: Exception) -> None:
        failures = self._failed_pulls[name].failures + 1 if name in self._failed_pulls else 1
        wait = doubling_pause(failures, first=FIRST_RETRY_SECONDS, longest=MAX_RETRY_SECONDS)
        if isinstance(error, SourceUnavailable):
            asked = error.retry_after_seconds or 0.0
            wait = max(wait, min(asked, MAX_RETRY_AFTER_SECONDS))
        detail = str(error) if isinstance(error, WeightsError) else "See the worker log."
        self._failed_pulls[name] = _FailedPull(
            detail, failures, time.monotonic() + wait, self._prefetch_requests.get(name)
        )
        log.error("could not pull weights", model=name, detail=detail, retry_seconds=wait)
