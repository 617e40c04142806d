"""The models in memory: loaded once, kept for the next job, evicted least recently used first.

Two threads of a child load models: the warm-up and the one that runs jobs. Only one loads at a
time, and a runner is never evicted while a job uses it.
"""

from __future__ import annotations

import gc
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from jobs.errors import AttemptFailed, ErrorCode
from jobs.fleet.worker_registry import WeightsState, WeightsStatus
from jobs.states import Phase
from models.extras import extra_missing
from models.spec import load_runner
from weights.errors import WeightsError, WeightsRemoved
from weights.volume.readahead import read_ahead
from workers.child.error_mapping import panics_as_errors
from workers.shared.child_status import ChildStatusFile
from workers.shared.startup_timing import timed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from models.spec import Card, Runner
    from weights.progress import TransferProgress
    from workers.shared.model_weights import ModelWeights

log = structlog.get_logger()

POLL_SECONDS = 0.25
"""How often a job that waits for another load checks whether it has to stop."""
LOAD_FAILED = "The model could not be loaded ({}); see the worker log."
WEIGHTS_REMOVED = "Files of {} were removed from the volume of the worker while it was loaded."


class ModelCache:
    """The runners of one child, within a memory budget.

    `budget_bytes` None: one model with weights at a time, because a GPU rarely has room for two.
    Models that have no weights and claim no memory always fit.
    """

    def __init__(
        self,
        model_weights: ModelWeights,
        *,
        budget_bytes: int | None = None,
        status_file: ChildStatusFile | None = None,
    ) -> None:
        self.model_weights = model_weights
        self.status_file = status_file or ChildStatusFile()
        self.poisoned = False
        """Whether an error has left this process in a state in which no other job may run."""
        self._budget = budget_bytes
        self._runners: dict[str, tuple[Card, Runner]] = {}  # least recently used first
        self._pinned: set[str] = set()
        self._in_use: str | None = None
        self._job_runs = False
        self._changed = threading.Condition()
        self._loading = threading.Lock()

    @contextmanager
    def acquire(self, card: Card, report: Callable[..., None]) -> Iterator[Runner]:
        """Yield the card's runner, and keep it in memory until the block ends.

        Downloads and loads it if necessary. Raises what `report` raises, within a second, and
        `WeightsError`.
        """
        runner = self._get(card.name)
        if runner is None:
            folder = self._download_if_missing(card, report)
            with self._loading_lock(report):
                runner = self._get(card.name) or self._load_for_job(card, folder, report)
        try:
            yield runner
        finally:
            with self._changed:
                self._in_use = None
                self._changed.notify_all()

    def preload(self, card: Card, warm_up: Callable[[Runner], None]) -> bool:
        """Load and pin a model; `warm_up` gets its runner before any job does.

        Evicts on-demand models to make room, once their jobs have ended. False: pinned models fill
        the memory.
        """
        with self._loading:
            if card.name in self._runners:
                return True
            to_evict = self._to_evict(card)
            if any(name in self._pinned for name in to_evict):
                on_disk = self.model_weights.status_with(card, WeightsState.ON_DISK)
                self.status_file.set_model(card.name, on_disk)
                return False
            with self._changed:
                self._changed.wait_for(lambda: self._in_use not in to_evict)
                self._evict(to_evict)
            self._load(card, self.model_weights.folder(card), None, warm_up)
            self._pinned.add(card.name)
        return True

    @contextmanager
    def idle(self) -> Iterator[None]:
        """Wait until no job runs, its upload and end included; let none begin during the block."""
        with self._changed:
            self._changed.wait_for(lambda: not self._job_runs)
            yield

    @contextmanager
    def job(self) -> Iterator[None]:
        """Mark the block, in which the process claims and runs jobs, for `idle`."""
        with self._changed:
            self._job_runs = True
        try:
            yield
        finally:
            with self._changed:
                self._job_runs = False
                self._changed.notify_all()

    def _get(self, name: str) -> Runner | None:
        """Return a loaded runner, marked as in use and as the most recently used."""
        with self._changed:
            entry = self._runners.pop(name, None)
            if entry is None:
                return None
            self._runners[name] = entry
            self._in_use = name
            return entry[1]

    def _load_for_job(self, card: Card, folder: Path | None, report: Callable[..., None]) -> Runner:
        self._evict(self._to_evict(card))
        runner = self._load(card, folder, report)
        self._in_use = card.name
        return runner

    def _download_if_missing(self, card: Card, report: Callable[..., None]) -> Path | None:
        if not self.model_weights.complete(card):
            self._download(card, report)
        return self.model_weights.folder(card)

    def _download(self, card: Card, report: Callable[..., None]) -> None:
        """Download the weights, with progress for the job and for the parent."""
        report(Phase.DOWNLOADING_WEIGHTS)

        def watch(progress: TransferProgress) -> None:
            downloading = self.model_weights.status_with(card, WeightsState.DOWNLOADING, progress)
            self.status_file.set_model(card.name, downloading)
            report(Phase.DOWNLOADING_WEIGHTS, progress.done_bytes, progress.total_bytes)

        try:
            with timed("pull", model=card.name):
                self.model_weights.pull(card, watch)
        except WeightsError as error:
            failed = WeightsStatus(state=WeightsState.FAILED, detail=str(error))
            self.status_file.set_model(card.name, failed)
            raise
        except Exception:
            self.status_file.set_model(card.name, self.model_weights.status(card))
            raise

    @contextmanager
    def _loading_lock(self, report: Callable[..., None]) -> Iterator[None]:
        """Hold the lock for loading. A job reports while it waits, so that it can be stopped."""
        report(Phase.LOADING_MODEL)
        while not self._loading.acquire(timeout=POLL_SECONDS):
            report(Phase.LOADING_MODEL)
        try:
            yield
        finally:
            self._loading.release()

    def _to_evict(self, card: Card) -> list[str]:
        """Return the models to evict for this one: not pinned first, then least recently used."""
        required = self._required_memory(card)
        if not required:
            return []
        with self._changed:
            loaded = [
                (other.name, self._required_memory(other)) for other, _ in self._runners.values()
            ]
        loaded.sort(key=lambda entry: entry[0] in self._pinned)
        free = (self._budget or 1) - sum(memory for _, memory in loaded)
        to_evict = []
        for name, memory in loaded:
            if free >= required:
                break
            if memory:
                to_evict.append(name)
                free += memory
        return to_evict

    def _required_memory(self, card: Card) -> int:
        """Return bytes; without a budget, 1 for a model that excludes others and 0 for the rest.

        A model with weights that does not state its memory takes the whole budget.
        """
        if self._budget is None:
            return int(card.weights is not None or card.memory_bytes > 0)
        return card.memory_bytes or (self._budget if card.weights is not None else 0)

    def _evict(self, names: list[str]) -> None:
        for name in names:
            card, _ = self._runners.pop(name)
            self._pinned.discard(name)
            self.status_file.set_model(name, self.model_weights.status(card))
        if names:
            gc.collect()
            self.status_file.count_eviction()
            log.info("models evicted", models=names)

    def _load(
        self,
        card: Card,
        folder: Path | None,
        report: Callable[..., None] | None,
        warm_up: Callable[[Runner], None] | None = None,
    ) -> Runner:
        self._read_ahead(card, folder, report)
        try:
            with panics_as_errors(), timed("load", model=card.name):
                runner = load_runner(card, folder)
            if warm_up is not None:
                with panics_as_errors():
                    warm_up(runner)
        except Exception as error:
            missing = extra_missing(card.name, error)
            detail = missing or LOAD_FAILED.format(type(error).__name__)
            self.status_file.set_model(
                card.name, WeightsStatus(state=WeightsState.FAILED, detail=detail)
            )
            if missing is not None:
                raise AttemptFailed(ErrorCode.INTERNAL_ERROR, detail) from error
            if not self.model_weights.complete(card):
                raise WeightsRemoved(WEIGHTS_REMOVED.format(card.name)) from error
            raise
        with self._changed:
            self._runners[card.name] = (card, runner)
        loaded = self.model_weights.status_with(card, WeightsState.LOADED)
        self.status_file.set_model(card.name, loaded)
        log.info("model loaded", model=card.name)
        return runner

    def _read_ahead(
        self, card: Card, folder: Path | None, report: Callable[..., None] | None
    ) -> None:
        """Read the files into the page cache in order: a mapping would read them page by page."""
        loading = self.model_weights.status_with(card, WeightsState.LOADING)
        self.status_file.set_model(card.name, loading)
        if folder is None:
            return
        files = [folder / file.path for file in self.model_weights.selection(card).files]
        stoppable = StoppableReport(report or (lambda *_: None))

        def on_read(done: int, total: int) -> None:
            self.status_file.set_model(card.name, loading.model_copy(update={"done_bytes": done}))
            stoppable(Phase.LOADING_MODEL, done, total)

        with timed("read_ahead", model=card.name):
            read_ahead(files, stop=stoppable.stop, report=on_read)
        if stoppable.stop.is_set():
            self.status_file.set_model(card.name, self.model_weights.status(card))
        stoppable.check()


class StoppableReport:
    """A `report` for several threads: after the first call that raises, no other call is made.

    `read_ahead` reports from its own threads. An exception would end only one of them; the event
    `stop` ends all, and `check` raises the exception in the caller's thread.
    """

    def __init__(self, report: Callable[..., None]) -> None:
        self._report = report
        self._error: Exception | None = None
        self.stop = threading.Event()

    def __call__(self, *report: object) -> None:
        """Report, unless an earlier report raised."""
        if self.stop.is_set():
            return
        try:
            self._report(*report)
        except Exception as error:  # noqa: BLE001 - raised again by check
            self._error = error
            self.stop.set()

    def check(self) -> None:
        """Raise the exception of an earlier report."""
        if self._error is not None:
            raise self._error
