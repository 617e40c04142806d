"""The models in memory: loaded once, kept for the next job, dropped for another by use.

Two threads of a child load: the one that warms up, and the one that runs jobs. One loads at a
time, and a runner is never dropped while a job has it.
"""

from __future__ import annotations

import gc
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from jobs.fleet.worker_registry import WeightsState, WeightsStatus
from jobs.states import Phase
from models.spec import load_runner
from weights.errors import WeightsError
from weights.volume.readahead import read_ahead
from workers.child.stop_signal import StoppableReport
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
"""How often a job that waits for another load looks whether it is wanted still."""
UNREADABLE = "It could not be loaded ({}); see the worker's log."


class ModelCache:
    """The runners of one child, within a budget of memory.

    `budget_bytes` None: one model with weights at a time, for a GPU rarely has room for two.
    Models without weights, and without a claim to memory, always find room.
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
        """An error has left this process in a state in which no other job should run."""
        self._budget = budget_bytes
        self._runners: dict[str, tuple[Card, Runner]] = {}  # the one unused for longest first
        self._pinned: set[str] = set()
        self._in_use: str | None = None
        self._changed = threading.Condition()
        self._loading = threading.Lock()

    @contextmanager
    def acquire(self, card: Card, report: Callable[..., None]) -> Iterator[Runner]:
        """The runner of this card, pulled and loaded if need be, for the length of the block.

        Raises whatever `report` raises, within a second; and `WeightsError`.
        """
        runner = self._take(card.name)
        if runner is None:
            folder = self._fetched(card, report)
            with self._loading_lock(report):
                runner = self._take(card.name) or self._loaded(card, folder, report)
        try:
            yield runner
        finally:
            with self._changed:
                self._in_use = None
                self._changed.notify_all()

    def preload(self, card: Card, first: Callable[[Runner], None]) -> bool:
        """Load a model that is to stay, and let `first` have its runner before any job.

        False: others that stay fill the memory. Makes room at the cost of models that came on
        demand, but waits for their jobs.
        """
        with self._loading:
            if card.name in self._runners:
                return True
            to_evict = self._to_evict(card)
            if any(name in self._pinned for name in to_evict):
                self.status_file.set_model(
                    card.name, self.model_weights.status_with(card, WeightsState.ON_DISK)
                )
                return False
            with self._changed:
                self._changed.wait_for(lambda: self._in_use not in to_evict)
                self._evict(to_evict)
            self._load(card, self.model_weights.folder(card), None, first)
            self._pinned.add(card.name)
        return True

    @contextmanager
    def idle(self) -> Iterator[None]:
        """A block in which no job has a runner, and none gets one."""
        with self._changed:
            self._changed.wait_for(lambda: self._in_use is None)
            yield

    def _take(self, name: str) -> Runner | None:
        with self._changed:
            held = self._runners.pop(name, None)
            if held is None:
                return None
            self._runners[name] = held
            self._in_use = name
            return held[1]

    def _loaded(self, card: Card, folder: Path | None, report: Callable[..., None]) -> Runner:
        self._evict(self._to_evict(card))
        runner = self._load(card, folder, report)
        self._in_use = card.name
        return runner

    def _fetched(self, card: Card, report: Callable[..., None]) -> Path | None:
        if not self.model_weights.complete(card):
            self._pull(card, report)
        return self.model_weights.folder(card)

    def _pull(self, card: Card, report: Callable[..., None]) -> None:
        """Let the job tell how its model's weights come."""
        report(Phase.DOWNLOADING_WEIGHTS)

        def watch(progress: TransferProgress) -> None:
            self.status_file.set_model(
                card.name, self.model_weights.status_with(card, WeightsState.DOWNLOADING, progress)
            )
            report(Phase.DOWNLOADING_WEIGHTS, progress.done_bytes, progress.total_bytes)

        try:
            with timed("pull", model=card.name):
                self.model_weights.pull(card, watch)
        except WeightsError as error:
            self.status_file.set_model(
                card.name, WeightsStatus(state=WeightsState.FAILED, detail=str(error))
            )
            raise
        except Exception:
            self.status_file.set_model(card.name, self.model_weights.status(card))
            raise

    @contextmanager
    def _loading_lock(self, report: Callable[..., None]) -> Iterator[None]:
        """Wait until no other thread loads; a job says all the while that it waits."""
        report(Phase.LOADING_MODEL)
        while not self._loading.acquire(timeout=POLL_SECONDS):
            report(Phase.LOADING_MODEL)
        try:
            yield
        finally:
            self._loading.release()

    def _to_evict(self, card: Card) -> list[str]:
        """The models to drop for this one: first those that need not stay, then by last use."""
        needs = self._needs(card)
        if not needs:
            return []
        with self._changed:
            held = [(other.name, self._needs(other)) for other, _ in self._runners.values()]
        held.sort(key=lambda one: one[0] in self._pinned)
        room = self._room - sum(need for _, need in held)
        dropped = []
        for name, need in held:
            if room >= needs:
                break
            if need:
                dropped.append(name)
                room += need
        return dropped

    @property
    def _room(self) -> int:
        return self._budget or 1

    def _needs(self, card: Card) -> int:
        """A model with weights that does not say what it takes, takes all."""
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
            log.info("models dropped to make room", models=names)

    def _load(
        self,
        card: Card,
        folder: Path | None,
        report: Callable[..., None] | None,
        first: Callable[[Runner], None] | None = None,
    ) -> Runner:
        self._read_ahead(card, folder, report)
        try:
            with timed("load", model=card.name):
                runner = load_runner(card, folder)
            if first is not None:
                first(runner)
        except Exception as error:
            broken = WeightsStatus(
                state=WeightsState.FAILED, detail=UNREADABLE.format(type(error).__name__)
            )
            self.status_file.set_model(card.name, broken)
            raise
        with self._changed:
            self._runners[card.name] = (card, runner)
        self.status_file.set_model(
            card.name, self.model_weights.status_with(card, WeightsState.LOADED)
        )
        log.info("model loaded", model=card.name)
        return runner

    def _read_ahead(
        self, card: Card, folder: Path | None, report: Callable[..., None] | None
    ) -> None:
        """Bring the files into the page cache in order: mapping them would read them by pages."""
        loading = self.model_weights.status_with(card, WeightsState.LOADING)
        self.status_file.set_model(card.name, loading)
        if folder is None:
            return
        files = [folder / file.path for file in self.model_weights.selection(card).files]
        stoppable = StoppableReport(report or (lambda *_: None))

        def read(done: int, total: int) -> None:
            self.status_file.set_model(card.name, loading.model_copy(update={"done_bytes": done}))
            stoppable(Phase.LOADING_MODEL, done, total)

        with timed("read_ahead", model=card.name):
            read_ahead(files, stop=stoppable.stop, report=read)
        if stoppable.stop.is_set():
            self.status_file.set_model(card.name, self.model_weights.status(card))
        stoppable.check()
