"""One file on its way onto a volume: from the first of its sources that has the right bytes."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

from weights.download import journal, partial
from weights.download.digest import digest
from weights.download.download_pool import Fetch
from weights.download.journal import Content
from weights.download.partial import Partial
from weights.download.progress import Count
from weights.download.retry import Patience
from weights.errors import (
    AccessDenied,
    DiskFull,
    NotAtSource,
    PullStopped,
    RemoteChanged,
    SourceUnavailable,
    VolumeUnusable,
    WeightsError,
    WrongContent,
)
from weights.volume import disk
from weights.volume.import_local import adopt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from weights.download.download_pool import Crew
    from weights.manifest.manifest import WeightFile
    from weights.sources.base import Remote, Source
    from weights.volume.volume import Volume

SYNC_SECONDS = 2.0
"""How often what came is seen to the disk: what a loss of power costs at most."""
SETTLE_SECONDS = 0.4
"""How long a pull that ends waits for its threads to write down how far they are."""
_OURS = (PullStopped, DiskFull, VolumeUnusable)
"""No other source could help."""
_TELLING = (SourceUnavailable, RemoteChanged, AccessDenied, WrongContent, NotAtSource, WeightsError)
"""Of several sources' errors the first of these kinds is raised: it says most of what to do."""


class Delivery:
    """Brings one file; its figures can be read at any time."""

    def __init__(self, file: WeightFile, volume: Volume, sources: Sequence[Source]) -> None:
        self.file = file
        self.received = 0
        self._volume = volume
        self._sources = sources
        self._total = file.size_bytes or 0
        self._done = self._seen = 0
        self._waiting = self._over = False
        self._fetch: Fetch | None = None

    def count(self, path: str) -> Count:
        """Say how far it is, under one of its names."""
        fetch = self._fetch
        received = self.received + (fetch.received if fetch else 0)
        done = self._total if self._over else fetch.done_bytes if fetch else self._done
        busy = not self._over and (fetch is not None or self._waiting)
        moved = received + self._seen
        return Count(path, done, self._total, moved, waiting=self._waiting, active=busy)

    def adopt(self, folders: Sequence[Path], halt: threading.Event) -> None:
        """Take the file from a folder that has it, unless another process is at it already."""
        with self._volume.lock_at_once(self.file.id) as lock:
            if lock and not self._volume.holds(self.file):
                adopt(self.file, self._volume, folders, report=self._read, stop=halt)
        self._done = 0
        self._end_if_held()

    def room(self) -> int:
        """Bytes that the volume must still have free for it; asks a source where nobody knows."""
        if self._over:
            return 0
        size = self.file.size_bytes or self._asked_size()
        return max(0, size - partial.taken_bytes(self._volume.partial(self.file)))

    def run(self, crew: Crew) -> None:
        """Bring the file, or wait until another process has brought it. Raises `WeightsError`."""
        with self._volume.lock(self.file, wait=self._look_on, stop=crew.halt) as lock:
            self._waiting = False
            self._end_if_held()
            if self._over:
                return
            if not lock:
                raise PullStopped("told to stop while another process fetches the file")
            self._try_all(crew)
            self._over = True

    def _try_all(self, crew: Crew) -> None:
        faults: list[tuple[Source, WeightsError]] = []
        for source in self._sources:
            try:
                self._from(source, crew)
            except _OURS:
                raise
            except WeightsError as error:
                faults.append((source, error))
            else:
                return
        raise _summary(self.file, faults)

    def _from(self, source: Source, crew: Crew) -> None:
        """Bring it from one source. What came damaged or changed meanwhile is begun again once."""
        path = self._volume.partial(self.file)
        patience = Patience(crew.limits.patience_seconds / len(self._sources))
        found = "?"
        for again in (True, False):
            remote = self._stat(source, patience, crew.halt)
            wanted = self.file.sha256 or remote.sha256
            try:
                found = self._bring(source, remote, patience, crew)
            except RemoteChanged:
                self._drop(path)
                if not again:
                    raise
                continue
            if wanted in {None, found}:
                self._volume.admit(self.file, path, sha256=found)
                self._drop(path)
                return
            self._drop(path)
        raise WrongContent(f"{source}: sends bytes with the sha256 {found}, not {wanted}")

    def _stat(self, source: Source, patience: Patience, halt: threading.Event) -> Remote:
        while not halt.is_set():
            try:
                remote = source.stat()
            except SourceUnavailable as error:
                patience.failed(error, time.monotonic())
                halt.wait(patience.not_before - time.monotonic())
            else:
                _compare(source, remote, self.file)
                self._total = remote.size_bytes
                return remote
        raise PullStopped("told to stop before the source answered")

    def _bring(self, source: Source, remote: Remote, patience: Patience, crew: Crew) -> str:
        """Fetch what is missing, hash all of it meanwhile, and return the digest."""
        content = Content(remote.size_bytes, self._content(source, remote))
        held = Partial(self._volume.partial(self.file), content)
        fetch = Fetch(source, remote, held, patience, crew)
        try:
            with self._shown(fetch), crew.on(fetch), _synced(held, fetch):
                try:
                    return digest(remote.size_bytes, fetch.frontier, held.feed)
                finally:
                    fetch.settle(SETTLE_SECONDS)
        finally:
            held.close()

    def _content(self, source: Source, remote: Remote) -> str:
        """What tells the bytes from others. Without that nothing can be gone on with."""
        digest_of = self.file.sha256 or remote.sha256
        return digest_of or f"{source} {remote.validator or uuid4().hex}"

    @contextmanager
    def _shown(self, fetch: Fetch) -> Iterator[None]:
        self._fetch = fetch
        try:
            yield
        finally:
            self._done = fetch.done_bytes
            self.received += fetch.received
            self._fetch = None

    def _look_on(self) -> None:
        """Follow the partial that another process fills."""
        done = journal.done_bytes(self._volume.partial(self.file))
        if self._waiting:
            self._seen += max(0, done - self._done)
        self._done, self._waiting = done, True

    def _read(self, done: int) -> None:
        self._done = done

    def _end_if_held(self) -> None:
        if self._volume.holds(self.file):
            self._total = self._volume.size_of(self.file) or 0
            self._over = True

    def _asked_size(self) -> int:
        for source in self._sources:
            try:
                return source.stat().size_bytes
            except WeightsError:  # the pull itself will say it better
                continue
        return 0

    def _drop(self, path: Path) -> None:
        with disk.disk_errors(path.parent):
            partial.remove(path)


@contextmanager
def _synced(held: Partial, fetch: Fetch) -> Iterator[None]:
    """See what comes to the disk while it comes: it lasts, and the last sync is short."""
    over = threading.Event()

    def beat() -> None:
        try:
            while not over.wait(SYNC_SECONDS):
                held.sync()
        except WeightsError as error:
            fetch.fail(error)

    keeper = threading.Thread(target=beat, name="weights-sync", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        over.set()


def _compare(source: Source, remote: Remote, file: WeightFile) -> None:
    """Refuse another file before its first byte. Raises `WrongContent`."""
    if file.size_bytes not in {None, remote.size_bytes}:
        raise WrongContent(
            f"{source}: has {remote.size_bytes} bytes, the manifest says {file.size_bytes}"
        )
    if file.sha256 and remote.sha256 not in {None, file.sha256}:
        raise WrongContent(
            f"{source}: has the sha256 {remote.sha256}, the manifest says {file.sha256}"
        )


def _summary(file: WeightFile, faults: Sequence[tuple[Source, WeightsError]]) -> WeightsError:
    """One error that names each source and why it was of no use."""
    said = [str(e) if str(source) in str(e) else f"{source}: {e}" for source, e in faults]
    first = min((e for _, e in faults), key=_rank, default=NotAtSource("it has no source"))
    kind = next(kind for kind in _TELLING if isinstance(first, kind))
    summary = kind(f"{file.path}: {'; '.join(said) or first}")
    summary.__cause__ = first
    return summary


def _rank(error: WeightsError) -> int:
    return next(n for n, kind in enumerate(_TELLING) if isinstance(error, kind))
