"""Digests of files that are not ours, kept so that no start computes them again."""

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
class Known:
    """Notes in the folder `known/` of a volume, one for each file that was ever hashed.

    A note counts as long as inode, size and time of the last write are those of that day.
    """

    root: Path

    def digest(self, path: Path, found: os.stat_result) -> str | None:
        """The sha256 of the file that was found at `path`, if we had it through our hands."""
        try:
            said = json.loads(self._note(path).read_bytes())
            return str(said["sha256"]) if said["file"] == _marks(path, found) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def remember(self, path: Path, found: os.stat_result, digest: str) -> None:
        """Note the digest. A volume that takes no note is no fault: we hash again next time."""
        text = json.dumps({"file": _marks(path, found), "sha256": digest})
        with suppress(OSError):
            self._note(path).parent.mkdir(exist_ok=True)
            disk.write_whole(self._note(path), text, scratch=self.root / "partial")

    def _note(self, path: Path) -> Path:
        return self.root / "known" / f"{sha256(bytes(path)).hexdigest()[:32]}.json"


def _marks(path: Path, found: os.stat_result) -> dict[str, Any]:
    return {
        "path": str(path),
        "inode": found.st_ino,
        "bytes": found.st_size,
        "mtime_ns": found.st_mtime_ns,
    }
