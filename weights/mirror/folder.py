"""A mirror in a folder, e.g. on a network share."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from runtime.files import fsync_folder
from weights.errors import WrongContent
from weights.mirror.base import checksum_file
from weights.volume import disk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from weights.mirror.base import FileChecksums

_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True)
class FolderMirror:
    """Files by key below a folder. Renamed into place, so that readers see only whole files."""

    folder: Path

    def put(
        self, key: str, path: Path, checksums: FileChecksums, on_bytes: Callable[[int], None]
    ) -> bool:
        """Copy a file unless the key already holds it; read the copy back and compare it."""
        with disk.disk_errors(self.folder, needed_bytes=checksums.size_bytes):
            return self._put(self.folder / key, path, checksums, on_bytes)

    def _put(
        self, target: Path, path: Path, checksums: FileChecksums, on_bytes: Callable[[int], None]
    ) -> bool:
        if _matches(target, checksums):
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f"{target.name}.{uuid4().hex}.part")
        try:
            _copy(path, partial, on_bytes)
            if checksum_file(partial) != checksums:
                raise WrongContent(f"{target}: the copy has wrong bytes and was removed")
            partial.replace(target)
            fsync_folder(target.parent)
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
        return True


def _matches(path: Path, checksums: FileChecksums) -> bool:
    same_size = path.is_file() and path.stat().st_size == checksums.size_bytes
    return same_size and checksum_file(path) == checksums


def _copy(source: Path, target: Path, on_bytes: Callable[[int], None]) -> None:
    done = 0
    with source.open("rb") as reader, target.open("xb") as writer:
        while chunk := reader.read(_CHUNK_BYTES):
            writer.write(chunk)
            done += len(chunk)
            on_bytes(done)
        writer.flush()
        os.fsync(writer.fileno())
