"""A mirror in a folder, e.g. of a network share."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from weights.errors import WrongContent
from weights.mirror.push import digest_of
from weights.volume import disk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from weights.mirror.push import Digest

_PIECE_BYTES = 1024 * 1024


@dataclass(frozen=True)
class FolderMirror:
    """Files by key below a folder. What is seen there is whole: it is renamed into place."""

    folder: Path

    def put(self, key: str, path: Path, digest: Digest, watch: Callable[[int], None]) -> bool:
        """Copy a file, unless the key holds it already; compare what was written."""
        with disk.disk_errors(self.folder, needed_bytes=digest.size_bytes):
            return self._put(self.folder / key, path, digest, watch)

    def _put(self, target: Path, path: Path, digest: Digest, watch: Callable[[int], None]) -> bool:
        if _is(target, digest):
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f"{target.name}.{uuid4().hex}.part")
        try:
            _copy(path, partial, watch)
            if digest_of(partial) != digest:
                raise WrongContent(f"{target} was not written as it was sent; it was removed")
            partial.replace(target)
            disk.sync(target.parent)
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
        return True


def _is(path: Path, digest: Digest) -> bool:
    return path.is_file() and path.stat().st_size == digest.size_bytes and digest_of(path) == digest


def _copy(source: Path, target: Path, watch: Callable[[int], None]) -> None:
    done = 0
    with source.open("rb") as reader, target.open("xb") as writer:
        while piece := reader.read(_PIECE_BYTES):
            writer.write(piece)
            done += len(piece)
            watch(done)
        writer.flush()
        os.fsync(writer.fileno())
