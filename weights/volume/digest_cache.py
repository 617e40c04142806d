"""Cached digests of files outside the volume, so that each is hashed only once."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from weights.volume import disk

if TYPE_CHECKING:
    import os
    from pathlib import Path


@dataclass(frozen=True)
class DigestCache:
    """One JSON file per hashed file in the folder `digests/` of a volume.

    An entry is valid while the file's inode, size and modification time are unchanged.
    """

    root: Path

    def get(self, path: Path, stat: os.stat_result) -> str | None:
        """Return the cached sha256 of the file with that `stat`, or None."""
        try:
            entry = json.loads(self._entry(path).read_bytes())
            return str(entry["sha256"]) if entry["file"] == _identity(path, stat) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, path: Path, stat: os.stat_result, digest: str) -> None:
        """Store a digest. A failed write is ignored: the file is hashed again next time."""
        text = json.dumps({"file": _identity(path, stat), "sha256": digest})
        with suppress(OSError):
            self._entry(path).parent.mkdir(exist_ok=True)
            disk.write_atomic(self._entry(path), text, scratch=self.root / "partial")

    def _entry(self, path: Path) -> Path:
        return self.root / "digests" / f"{sha256(bytes(path)).hexdigest()[:32]}.json"


def _identity(path: Path, stat: os.stat_result) -> dict[str, Any]:
    return {
        "path": str(path),
        "inode": stat.st_ino,
        "bytes": stat.st_size,
        "mtime_ns": stat.st_mtime_ns,
    }
