"""The parent's thread that fills the volume: for warm models, and for what operators wish."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import SQLAlchemyError

from jobs.fleet import prefetch_requests
from jobs.fleet.worker_registry import Stock, Weights
from weights.errors import PullStopped, SourceUnavailable, WeightsError
from workers.shared.startup_timing import timed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from models.spec import Card
    from runtime.database import SessionFactory
    from weights.download.progress import Progress
    from workers.shared.model_weights import Shelf

log = structlog.get_logger()

ROUND_SECONDS = 2.0
"""How often it looks at the volume and at the wishes."""
FIRST_WAIT, LONGEST_WAIT = 5.0, 300.0
"""A pull that failed is tried again after 5, 10, 20 … seconds, at most 300, for ever."""
LEAVE_SECONDS = 3.0


@dataclass
class _Trouble:
    """A model whose pull failed, and when it is tried again."""

    detail: str
    failures: int = 1
    not_before: float = 0.0
    asked_at: datetime | None = None


class Larder:
    """Knows what the volume holds of each card, and fetches what is missing, one at a time."""

    def __init__(
        self,
        shelf: Shelf,
        cards: Mapping[str, Card],
        warm: frozenset[str],
        sessions: SessionFactory,
    ) -> None:
        self._shelf = shelf
        self._cards = cards
        self._warm = warm
        self._sessions = sessions
        self._troubles: dict[str, _Trouble] = {}
        self._wishes: dict[str, datetime] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="larder", daemon=True)
        self.weights: dict[str, Weights] = {name: Weights(state=Stock.ABSENT) for name in cards}
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
            self._thread.join(LEAVE_SECONDS)

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                pulled = self._round()
            except Exception:
                log.exception("larder: round failed")
                pulled = False
            if not pulled:
                self._over.wait(ROUND_SECONDS)

    def _round(self) -> bool:
        """Look at everything, then pull the first model that is wanted and due."""
        for name in self._cards:
            self._look(name)
        self._read_wishes()
        wanted = [name for name in self._cards if name in self._warm or name in self._wishes]
        missing = [name for name in wanted if self.weights[name].state is not Stock.ON_DISK]
        due = [name for name in missing if self._due(name)]
        if due:
            self._pull(due[0])
        return bool(due)

    def _look(self, name: str) -> None:
        found = self._shelf.stock(self._cards[name])
        if found.state is Stock.ON_DISK:
            self._troubles.pop(name, None)
        elif name in self._troubles and found.state is Stock.ABSENT:
            detail = self._troubles[name].detail
            found = found.model_copy(update={"state": Stock.BROKEN, "detail": detail})
        self.weights[name] = found

    def _read_wishes(self) -> None:
        try:
            with self._sessions() as session:
                wanted = prefetch_requests.wanted(session)
        except SQLAlchemyError as error:
            log.warning("larder: database unavailable", error=str(error))
            return
        self._wishes = {name: at for name, at in wanted.items() if name in self._cards}

    def _due(self, name: str) -> bool:
        trouble = self._troubles.get(name)
        asked_again = trouble is not None and self._wishes.get(name) != trouble.asked_at
        return trouble is None or asked_again or time.monotonic() >= trouble.not_before

    def _pull(self, name: str) -> None:
        card = self._cards[name]

        def watch(progress: Progress) -> None:
            self.weights[name] = self._shelf.told(card, Stock.DOWNLOADING, progress)

        log.info("pulling weights", model=name)
        try:
            with timed("pull", model=name):
                self._shelf.pull(card, watch, self._over)
        except PullStopped:
            log.info("pull stopped", model=name)
        except WeightsError as error:
            self._put_off(name, error)
        except Exception as error:
            log.exception("pull met an error", model=name)
            self._put_off(name, error)
        else:
            self._troubles.pop(name, None)
        self._look(name)

    def _put_off(self, name: str, error: Exception) -> None:
        failures = self._troubles[name].failures + 1 if name in self._troubles else 1
        wait = min(FIRST_WAIT * 2 ** (failures - 1), LONGEST_WAIT)
        if isinstance(error, SourceUnavailable):
            wait = max(wait, error.retry_after_seconds or 0.0)
        detail = str(error) if isinstance(error, WeightsError) else "See the worker's log."
        self._troubles[name] = _Trouble(
            detail, failures, time.monotonic() + wait, self._wishes.get(name)
        )
        log.error("weights could not be pulled", model=name, detail=detail, again_in=wait)
