"""Download source: files in a local folder or a mounted share."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from weights.errors import (
    AccessDenied,
    RemoteChanged,
    SourceNotFound,
    SourceUnavailable,
    WeightsError,
)
from weights.sources.base import RemoteFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from os import stat_result
    from pathlib import Path


class FolderSource:
    """A `Source` for `file:///…`. Size and modification time identify the content."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __str__(self) -> str:
        return str(self._path)

    def stat(self) -> RemoteFile:
        """Return the size. Raises `WeightsError`."""
        with self._file_errors():
            if not self._path.is_file():
                raise SourceNotFound(f"{self._path} does not exist or is not a file")
            return _remote(self._path.stat())

    @contextmanager
    def open(self, remote: RemoteFile, start: int, end: int) -> Iterator[FolderBody]:
        """Open the bytes `start` to `end` (exclusive) of the file that `stat` described."""
        if self.stat() != remote:
            raise RemoteChanged(f"{self._path} was modified during the download")
        with self._file_errors():
            file = self._path.open("rb", buffering=0)
        with file:
            file.seek(start)
            yield FolderBody(file, self, end - start)

    @contextmanager
    def _file_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self.convert(error) from error

    def convert(self, error: OSError) -> WeightsError:
        """Convert an `OSError` to a `WeightsError`."""
        if isinstance(error, FileNotFoundError):
            return SourceNotFound(f"{self._path} does not exist")
        if isinstance(error, PermissionError):
            return AccessDenied(f"{self._path}: no permission to read it")
        return SourceUnavailable(f"{self._path}: {error.strerror}")


class FolderBody:
    """The bytes of one range."""

    def __init__(self, file: BinaryIO, source: FolderSource, length: int) -> None:
        self._file = file
        self._source = source
        self._left = length

    def readinto(self, buffer: memoryview) -> int:
        """Fill part of the buffer and return the count; 0 at the end. Raises `WeightsError`."""
        if not self._left:
            return 0
        try:
            count: int = self._file.readinto(buffer[: self._left])  # type: ignore[attr-defined]  # raw
        except OSError as error:
            raise self._source.convert(error) from error
        if not count:
            raise RemoteChanged(f"{self._source} became shorter during the download")
        self._left -= count
        return count


def _remote(stat: stat_result) -> RemoteFile:
    return RemoteFile(stat.st_size, validator=f"{stat.st_size}-{stat.st_mtime_ns}")
