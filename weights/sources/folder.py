"""Files in a local folder, or on a share that is mounted as one."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from weights.errors import (
    AccessDenied,
    NotAtSource,
    RemoteChanged,
    SourceUnavailable,
    WeightsError,
)
from weights.sources.base import Remote

if TYPE_CHECKING:
    from collections.abc import Iterator
    from os import stat_result
    from pathlib import Path


class FolderFile:
    """A `Source` of `file:///…`. Size and time of the last change tell one file from another."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __str__(self) -> str:
        return str(self._path)

    def stat(self) -> Remote:
        """Ask for its size. Raises `WeightsError`."""
        with self._translated():
            if not self._path.is_file():
                raise NotAtSource(f"{self._path} is no file, or not there")
            return _remote(self._path.stat())

    @contextmanager
    def open(self, remote: Remote, start: int, end: int) -> Iterator[FolderBody]:
        """Open the bytes `start` to `end` (exclusive) of that very file."""
        if self.stat() != remote:
            raise RemoteChanged(f"{self._path} has been written since")
        with self._translated():
            file = self._path.open("rb", buffering=0)
        with file:
            file.seek(start)
            yield FolderBody(file, self, end - start)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self.fault(error) from error

    def fault(self, error: OSError) -> WeightsError:
        """Say an error of the system in our words."""
        if isinstance(error, FileNotFoundError):
            return NotAtSource(f"{self._path} is not there")
        if isinstance(error, PermissionError):
            return AccessDenied(f"{self._path}: we may not read it")
        return SourceUnavailable(f"{self._path}: {error.strerror}")


class FolderBody:
    """The bytes of one range."""

    def __init__(self, file: BinaryIO, source: FolderFile, length: int) -> None:
        self._file = file
        self._source = source
        self._left = length

    def readinto(self, buffer: memoryview) -> int:
        """Fill some of the buffer; 0 at the end. Raises `WeightsError`."""
        if not self._left:
            return 0
        try:
            count: int = self._file.readinto(buffer[: self._left])  # type: ignore[attr-defined]  # raw
        except OSError as error:
            raise self._source.fault(error) from error
        if not count:
            raise RemoteChanged(f"{self._source} has become shorter")
        self._left -= count
        return count


def _remote(found: stat_result) -> Remote:
    return Remote(found.st_size, validator=f"{found.st_size}-{found.st_mtime_ns}")
