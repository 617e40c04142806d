"""The child's thread that gets the warm models into memory, before any job asks for them."""

from __future__ import annotations

import importlib
import os
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from jobs.fleet.worker_registry import WeightsState, WeightsStatus
from runtime.gc_paused import gc_paused
from weights.errors import WeightsError
from workers.child.error_mapping import is_fatal_to_process
from workers.child.lease_keeper import KILLED
from workers.shared.startup_timing import log_phase, process_seconds, timed

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from models.spec import Card, Runner
    from workers.child.model_cache import ModelCache

log = structlog.get_logger()

POLL_SECONDS = 0.5
"""How often the volume is looked at while weights are still to come."""
MAX_RETRY_SECONDS = 60.0
"""A model that could not be loaded is tried again after 5, 10, 20 … seconds, at most these."""


@dataclass
class _Pending:
    """A model on its way into memory."""

    card: Card
    failures: int = 0
    not_before: float = 0.0
    imported: bool = field(default=False)

    def put_off(self) -> float:
        """Wait longer after each failure. Returns the seconds."""
        seconds = min(5.0 * 2.0**self.failures, MAX_RETRY_SECONDS)
        self.failures += 1
        self.not_before = time.monotonic() + seconds
        return seconds


class WarmUp:
    """Imports each model's code while its weights still come, then loads it and runs it once.

    `then` is called when no model is left to be loaded.
    """

    def __init__(
        self,
        cache: ModelCache,
        cards: tuple[Card, ...],
        *,
        limit: timedelta,
        then: Callable[[], None] = lambda: None,
    ) -> None:
        self._cache = cache
        self._then = then
        self._pending = [_Pending(card) for card in cards]
        self._limit = limit

    def start(self) -> None:
        """Cheap: Celery waits for the child's sign of life meanwhile."""
        threading.Thread(target=self._run, name="warm-up", daemon=True).start()

    def _run(self) -> None:
        log_phase("process_start", process_seconds(), process="child")
        while self._pending:
            now = time.monotonic()
            due = [one for one in self._pending if one.not_before <= now]
            done = [one for one in due if self._advanced(one)]
            self._pending = [one for one in self._pending if one not in done]
            if not done:
                time.sleep(POLL_SECONDS)
        self._then()

    def _advanced(self, pending: _Pending) -> bool:
        """Whether the model is in memory now, or is to be left on disk."""
        try:
            self._import(pending)
            if not self._complete(pending.card):
                return False
            self._load(pending.card)
        except WeightsError:
            return False  # the parent's prefetcher says why
        except Exception as error:
            log.exception("warm-up failed", model=pending.card.name)
            self._retry_later(pending, error)
            return False
        return True

    def _import(self, pending: _Pending) -> None:
        if not pending.imported:
            with timed("imports", model=pending.card.name), gc_paused():
                importlib.import_module(pending.card.runner.partition(":")[0])
            pending.imported = True

    def _complete(self, card: Card) -> bool:
        began = time.monotonic()
        complete = self._cache.model_weights.complete(card)
        if complete and card.weights is not None:
            log_phase("weights_check", time.monotonic() - began, model=card.name)
        return complete

    def _load(self, card: Card) -> None:
        if not self._cache.preload(card, lambda runner: self._run_once(card, runner)):
            log.warning("no memory is left for a warm model, jobs load it", model=card.name)

    def _run_once(self, card: Card, runner: Runner) -> None:
        """No thread can be ended from outside: one that hangs is told of, the platform decides."""
        seconds = self._limit.total_seconds()
        late = WeightsStatus(
            state=WeightsState.FAILED, detail=f"Its warm-up takes longer than {seconds:.0f} s."
        )
        alarm = threading.Timer(seconds, self._cache.status_file.set_model, (card.name, late))
        alarm.daemon = True
        alarm.start()
        try:
            with timed("warm_up", model=card.name):
                runner.warm_up()
        finally:
            alarm.cancel()

    def _retry_later(self, pending: _Pending, error: Exception) -> None:
        """Try again later; in a process of its own if the error has poisoned this one."""
        detail = f"It could not be loaded ({type(error).__name__}); see the worker's log."
        broken = WeightsStatus(state=WeightsState.FAILED, detail=detail)
        self._cache.status_file.set_model(pending.card.name, broken)
        seconds = pending.put_off()
        if is_fatal_to_process(error):
            self._cache.poisoned = True
            time.sleep(seconds)
            with self._cache.idle():
                os._exit(KILLED)
