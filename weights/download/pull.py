"""Bringing all files of a selection onto a volume: several at once, each byte once."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from weights.download import partial
from weights.download.download_pool import Crew
from weights.download.file_download import Delivery
from weights.download.limits import Limits
from weights.download.progress import Count, Meter, Progress
from weights.errors import DiskFull, PullStopped
from weights.volume import disk

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from weights.manifest.manifest import Selection, WeightFile
    from weights.sources.base import Source
    from weights.volume.volume import Volume

__all__ = ["Limits", "Progress", "Pulled", "pull"]

USUAL = Limits()
FILES_AT_ONCE = 8
"""Files that are asked about, fetched, hashed or waited for at the same time."""
WATCH_SECONDS = 0.1
END_SECONDS = 0.8
"""How long a pull that was stopped waits for its threads; who waits for a source is left behind."""


class Sources(Protocol):
    """Finds the sources of a file; `weights.sources.source_factory` makes one."""

    def of(self, file: WeightFile) -> Sequence[Source]:
        """All places that may have the file, in the order in which they are tried."""
        ...


@dataclass(frozen=True)
class Pulled:
    """What a pull did."""

    folder: Path
    """The files under their own names."""
    fetched_bytes: int
    """Received from sources by this process."""
    seconds: float


def ignore(_: Progress) -> None:
    """Watch nothing."""


def pull(  # noqa: PLR0913 - the one door of the package
    selection: Selection,
    volume: Volume,
    sources: Sources,
    *,
    limits: Limits = USUAL,
    watch: Callable[[Progress], None] = ignore,
    stop: threading.Event | None = None,
    adopt_from: Sequence[Path] = (),
) -> Pulled:
    """Bring what the volume lacks of a selection; a complete volume is not asked for a request.

    `watch` is called up to ten times a second, always by the calling thread; what it raises ends
    the pull. After `stop` the pull raises `PullStopped` within a second. Whatever ends it, what
    has come is kept, and the next pull goes on from there. Raises `WeightsError`.
    """
    began = time.monotonic()
    if volume.complete(selection):
        return Pulled(volume.view(selection), 0, time.monotonic() - began)
    volume.open()
    run = _Run(selection, volume, sources, limits, tuple(adopt_from))
    run.watched(watch, stop or threading.Event())
    folder = volume.publish(selection)
    fetched = sum(delivery.received for delivery in run.deliveries)
    return Pulled(folder, fetched, time.monotonic() - began)


class _Run:
    """One pull. Its threads end soon after `halt`, however they may hang."""

    def __init__(
        self,
        selection: Selection,
        volume: Volume,
        sources: Sources,
        limits: Limits,
        folders: tuple[Path, ...],
    ) -> None:
        self.deliveries = [Delivery(f, volume, sources.of(f)) for f in volume.missing(selection)]
        self._selection = selection
        self._volume = volume
        self._folders = folders
        self._halt = threading.Event()
        self._crew = Crew(limits, self._halt)
        self._by_id = {delivery.file.id: delivery for delivery in self.deliveries}

    def watched(self, watch: Callable[[Progress], None], stop: threading.Event) -> None:
        """Do it all in other threads, and look on from this one."""
        meter = Meter(time.monotonic())
        conductor = _Task(self._conduct)
        try:
            while not conductor.over.wait(WATCH_SECONDS) and not stop.is_set():
                watch(meter.read(self._counts(), time.monotonic()))
        finally:
            self._halt.set()
            conductor.over.wait(END_SECONDS)
        if conductor.error:
            raise conductor.error
        if not conductor.over.is_set():
            raise PullStopped("told to stop; the next pull goes on from here")
        watch(meter.read(self._counts(), time.monotonic()))

    def _conduct(self) -> None:
        self._each(lambda delivery: delivery.adopt(self._folders, self._halt))
        self._check_room()
        self._crew.start()
        self._each(lambda delivery: delivery.run(self._crew))

    def _check_room(self) -> None:
        """Before the first byte: room for all, and for what others are fetching just now."""
        free = self._volume.free_bytes()
        needed = sum(delivery.room() for delivery in self.deliveries)
        if needed and needed + self._promised() > free:
            raise DiskFull(disk.no_room(self._volume.root, needed))

    def _promised(self) -> int:
        """What partials of other files, written to of late, will still take."""
        ours = {self._volume.partial(delivery.file) for delivery in self.deliveries}
        others = set((self._volume.root / "partial").glob("*.part")) - ours
        return sum(partial.still_to_come(path) for path in others)

    def _each(self, act: Callable[[Delivery], None]) -> None:
        """Act on all files, several at once; the first error stops the others and is raised."""
        waiting = deque(self.deliveries)
        tasks = [_Task(_drain(waiting, act)) for _ in range(min(FILES_AT_ONCE, len(waiting)))]
        while not all(task.over.wait(WATCH_SECONDS) for task in tasks):
            if any(task.error for task in tasks):
                self._halt.set()
        errors = [task.error for task in tasks if task.error]
        if errors:
            self._halt.set()
            raise next((e for e in errors if not isinstance(e, PullStopped)), errors[0])

    def _counts(self) -> list[Count]:
        return [self._count(file) for file in self._selection.files]

    def _count(self, file: WeightFile) -> Count:
        delivery = self._by_id.get(file.id)
        if delivery:
            return delivery.count(file.path)
        size = self._volume.size_of(file) or 0
        return Count(file.path, size, size)


def _drain(waiting: deque[Delivery], act: Callable[[Delivery], None]) -> Callable[[], None]:
    def work() -> None:
        while waiting:
            try:
                delivery = waiting.popleft()
            except IndexError:
                return
            act(delivery)

    return work


class _Task:
    """A thread that nobody need wait for, and the error that ended it."""

    def __init__(self, act: Callable[[], None]) -> None:
        self.over = threading.Event()
        self.error: Exception | None = None
        self._act = act
        threading.Thread(target=self._run, name="weights-pull", daemon=True).start()

    def _run(self) -> None:
        try:
            self._act()
        except Exception as error:  # noqa: BLE001 - raised in the thread that called pull
            self.error = error
        finally:
            self.over.set()
