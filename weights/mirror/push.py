"""A mirror: the files of a model in a bucket or a folder of your own, by digest.

`<mirror>/blobs/<sha256>` for each file, whatever model it belongs to, and
`<mirror>/models/<name>/weights.toml`, which is written last: where it lies, its files lie too.
"""

from __future__ import annotations

import base64
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from threading import Event, Lock
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

from weights.download.progress import Count, Meter
from weights.errors import PullStopped, WeightsError, WrongContent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from weights.download.progress import Progress
    from weights.manifest.manifest import Selection, WeightFile
    from weights.volume.volume import Volume

UPLOADS = 4
"""How many files go up at once."""

TELL_SECONDS = 0.1
"""How often the watcher is told at most."""

_PIECE_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Digest:
    """What a file is: read once before it is sent, compared after."""

    size_bytes: int
    sha256: str
    crc32c: str
    """Base64 of the big-endian CRC32C, as Google Cloud Storage writes it."""


class Mirror(Protocol):
    """A place for files by key. Used by several threads at once."""

    def put(self, key: str, path: Path, digest: Digest, watch: Callable[[int], None]) -> bool:
        """Make sure that `key` holds this very file. False: it did already.

        A file of other content is replaced. `watch` hears how many bytes are out; it may raise.
        """
        ...


@dataclass(frozen=True)
class Pushed:
    """What a push did, by the paths of the files."""

    sent: tuple[str, ...]
    """Those that the mirror lacked."""
    present: tuple[str, ...]
    """Those that it had."""
    sent_bytes: int


def open_mirror(uri: str) -> Mirror:
    """Open `gs://bucket/prefix` or `file:///folder`. Raises `WeightsError` for anything else."""
    parts = urlsplit(uri)
    if parts.scheme == "gs" and parts.netloc:
        # Google's client costs most of a second to import: only who has a bucket pays.
        from weights.mirror.bucket import BucketMirror

        return BucketMirror.open(parts.netloc, unquote(parts.path).strip("/"))
    if parts.scheme == "file" and not parts.netloc and len(parts.path) > 1:
        from weights.mirror.folder import FolderMirror

        return FolderMirror(Path(unquote(parts.path)))
    raise WeightsError(f"a mirror is gs://bucket/prefix or file:///folder, not {uri!r}")


def push(
    selection: Selection,
    manifest: Path,
    volume: Volume,
    mirror: Mirror,
    *,
    watch: Callable[[Progress], None] = lambda _: None,
    stop: Event | None = None,
) -> Pushed:
    """Copy a complete selection from the volume to a mirror, and its manifest after it.

    Each file is hashed before it goes: a mirror never holds other bytes than its name says.
    Raises `WrongContent` for a file of the volume that is broken, `PullStopped` when told to.
    """
    files = {file.id: file for file in selection.files}.values()
    course = _Course(files, watch, stop or Event())
    with ThreadPoolExecutor(UPLOADS, thread_name_prefix="push") as pool:
        going = {pool.submit(_push_file, file, volume, mirror, course): file for file in files}
        try:
            news = {going[one].id for one in as_completed(going) if one.result()}
        except BaseException:
            course.stop.set()
            raise
    course.check()
    key = f"models/{selection.model}/weights.toml"
    mirror.put(key, manifest, digest_of(manifest), lambda _: None)
    return Pushed(
        sent=tuple(file.path for file in selection.files if file.id in news),
        present=tuple(file.path for file in selection.files if file.id not in news),
        sent_bytes=sum(file.size_bytes or 0 for file in files if file.id in news),
    )


def digest_of(path: Path, check: Callable[[], None] = lambda: None) -> Digest:
    """Read a whole file. `check` is called between two pieces, and may raise."""
    import google_crc32c

    strong, quick, size = sha256(), google_crc32c.Checksum(), 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            strong.update(piece)
            quick.update(piece)
            size += len(piece)
            check()
    return Digest(size, strong.hexdigest(), base64.b64encode(quick.digest()).decode("ascii"))


def _push_file(file: WeightFile, volume: Volume, mirror: Mirror, course: _Course) -> bool:
    path = volume.blob(file)
    digest = digest_of(path, course.check)
    if digest.sha256 != file.sha256:
        raise WrongContent(
            f"{file.path} on this volume is not the file of its manifest: "
            "`kinomill models verify --repair` fetches it again"
        )
    news = mirror.put(f"blobs/{digest.sha256}", path, digest, lambda done: course.sent(file, done))
    course.over(file)
    return news


class _Course:
    """How far all files are together, told to one watcher, by one thread at a time."""

    def __init__(
        self, files: Iterable[WeightFile], watch: Callable[[Progress], None], stop: Event
    ) -> None:
        self.stop = stop
        self._watch = watch
        self._counts = {file.id: Count(file.path, 0, file.size_bytes or 0) for file in files}
        self._meter = Meter(time.monotonic())
        self._told = 0.0
        self._lock = Lock()

    def check(self) -> None:
        """Raise `PullStopped` if the push is to end."""
        if self.stop.is_set():
            raise PullStopped("the push was stopped; what the mirror has it keeps")

    def sent(self, file: WeightFile, done: int) -> None:
        """Note how much of a file went out."""
        self.check()
        self._note(file.id, replace(self._counts[file.id], done=done, moved=done, active=True))

    def over(self, file: WeightFile) -> None:
        """Note that the mirror has a file, be it that nothing had to go out."""
        count = self._counts[file.id]
        self._note(file.id, replace(count, done=count.total, active=False))

    def _note(self, name: str, count: Count) -> None:
        with self._lock:
            self._counts[name] = count
            now = time.monotonic()
            if now - self._told >= TELL_SECONDS:
                self._told = now
                self._watch(self._meter.read(list(self._counts.values()), now))
