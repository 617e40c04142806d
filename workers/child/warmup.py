"""The child's thread that loads the warm models into memory before any job needs them."""

from __future__ import annotations

import importlib
import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from jobs.errors import AttemptFailed, ErrorCode
from jobs.fleet.worker_registry import WeightsState, WeightsStatus
from models.extras import extra_missing
from runtime.backoff import doubling_pause
from runtime.gc_paused import gc_paused
from weights.errors import WeightsError
from workers.child.error_mapping import is_fatal_to_process
from workers.child.lease_keeper import KILLED
from workers.child.model_cache import LOAD_FAILED
from workers.shared.startup_timing import log_phase, process_seconds, timed

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from models.spec import Card, Runner
    from workers.child.model_cache import ModelCache

log = structlog.get_logger()

POLL_SECONDS = 0.5
"""How often the volume is checked while weights are missing."""
FIRST_RETRY_SECONDS, MAX_RETRY_SECONDS = 5.0, 60.0
"""A failed load is retried after 5, 10, 20 … seconds, at most 60, without end."""


@dataclass
class _Pending:
    """A model that is not loaded yet."""

    card: Card
    failures: int = 0
    not_before: float = 0.0
    imported: bool = False

    def back_off(self) -> float:
        """Double the wait after each failure. Returns the seconds."""
        self.failures += 1
        seconds = doubling_pause(
            self.failures, first=FIRST_RETRY_SECONDS, longest=MAX_RETRY_SECONDS
        )
        self.not_before = time.monotonic() + seconds
        return seconds


class WarmUp:
    """Imports each model's code while its weights are downloaded, then loads and runs it once.

    `then` is called when all models are loaded.
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
        """Start the thread, and return at once: Celery waits for the child's first message."""
        threading.Thread(target=self._run, name="warm-up", daemon=True).start()

    def _run(self) -> None:
        log_phase("process_start", process_seconds(), process="child")
        while self._pending:
            now = time.monotonic()
            due = [pending for pending in self._pending if pending.not_before <= now]
            done = [pending for pending in due if self._advance(pending)]
            self._pending = [pending for pending in self._pending if pending not in done]
            if not done:
                time.sleep(POLL_SECONDS)
        self._then()

    def _advance(self, pending: _Pending) -> bool:
        """Do what can be done for a model now. True: nothing is left to do."""
        try:
            self._import(pending)
            if not self._complete(pending.card):
                return False
            self._load(pending.card)
        except WeightsError:
            return False  # the parent's prefetcher reports it
        except AttemptFailed as error:  # an extra is missing: no retry can help
            return self._give_up(pending.card, error.detail)
        except Exception as error:
            log.exception("warm-up failed", model=pending.card.name)
            self._retry_later(pending, error)
            return False
        return True

    def _import(self, pending: _Pending) -> None:
        if not pending.imported:
            card = pending.card
            try:
                with timed("imports", model=card.name), gc_paused():
                    importlib.import_module(card.runner.partition(":")[0])
            except ModuleNotFoundError as error:
                missing = extra_missing(card.name, error)
                if missing is None:
                    raise
                raise AttemptFailed(ErrorCode.INTERNAL_ERROR, missing) from error
            pending.imported = True

    def _complete(self, card: Card) -> bool:
        began = time.monotonic()
        complete = self._cache.model_weights.complete(card)
        if complete and card.weights is not None:
            log_phase("weights_check", time.monotonic() - began, model=card.name)
        return complete

    def _load(self, card: Card) -> None:
        if not self._cache.preload(card, lambda runner: self._run_once(card, runner)):
            log.warning("no memory left for a warm model, jobs load it", model=card.name)

    def _run_once(self, card: Card, runner: Runner) -> None:
        """Run the model's warm-up; report the model as failed while it exceeds the limit.

        A thread cannot be ended from outside, so a restart is left to the platform's probes.
        """
        seconds = self._limit.total_seconds()
        detail = f"The warm-up takes longer than {seconds:.0f} s."
        late = WeightsStatus(state=WeightsState.FAILED, detail=detail)
        timer = threading.Timer(seconds, self._cache.status_file.set_model, (card.name, late))
        timer.daemon = True
        timer.start()
        try:
            with timed("warm_up", model=card.name):
                runner.warm_up()
        finally:
            timer.cancel()

    def _give_up(self, card: Card, detail: str) -> bool:
        failed = WeightsStatus(state=WeightsState.FAILED, detail=detail)
        self._cache.status_file.set_model(card.name, failed)
        log.error("model cannot be loaded", model=card.name, detail=detail)
        return True

    def _retry_later(self, pending: _Pending, error: Exception) -> None:
        """Retry after a wait, in a new process if the error is fatal to this one."""
        detail = LOAD_FAILED.format(type(error).__name__)
        failed = WeightsStatus(state=WeightsState.FAILED, detail=detail)
        self._cache.status_file.set_model(pending.card.name, failed)
        seconds = pending.back_off()
        if is_fatal_to_process(error):
            self._cache.poisoned = True
            time.sleep(seconds)
            with self._cache.idle():
                os._exit(KILLED)
