"""What an attempt hands over: its video and other files, all of them in the store or none."""

from __future__ import annotations

import hashlib
import re
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

from jobs.states import Phase
from storage.base import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jobs.lease import Lease
    from models.spec import RunResult
    from storage.base import Storage, StoredObject

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_UNKNOWN = "application/octet-stream"
_TYPES = {
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".mp4": "video/mp4",
    ".png": "image/png",
    ".srt": "application/x-subrip",
    ".txt": "text/plain; charset=utf-8",
    ".vtt": "text/vtt",
    ".wav": "audio/wav",
}
"""Content types by the end of a name; those of the standard library depend on the machine."""


class ResultUpload:
    """The video and the files of one attempt, on their way into the store.

    Raises `ValueError` for a name that is no file's: small letters, digits, `.`, `_` and `-`.
    """

    def __init__(self, clip: RunResult, lease: Lease, storage: Storage) -> None:
        self._clip = clip
        self._storage = storage
        self._video = lease.result_key
        self._names = {lease.file_key(_checked(name)): name for name in clip.files}
        self._paths = {self._video: clip.path} | {
            key: clip.files[name] for key, name in self._names.items()
        }
        self._stored: dict[str, StoredObject] = {}

    def upload(self, report: Callable[[Phase, int, int], None]) -> None:
        """Store the video, then the files. Whatever stops it, nothing stays in the store."""
        total = sum(path.stat().st_size for path in self._paths.values())
        report(Phase.UPLOADING, 0, total)
        with ExitStack() as undo:
            undo.callback(self._delete_quietly)
            for key, path in self._paths.items():
                self._stored[key] = self._storage.put(key, path, content_type=self._type(key))
                done = sum(stored.size_bytes for stored in self._stored.values())
                report(Phase.UPLOADING, done, total)
            undo.pop_all()

    def delete(self) -> None:
        """Delete what was stored: the attempt came to nothing."""
        for key in self._stored:
            self._storage.delete(key)

    def result(self) -> dict[str, Any]:
        """The figures of what was stored, as the record keeps them."""
        clip = self._clip
        return {
            **self._figures(self._video),
            "width": clip.width,
            "height": clip.height,
            "fps": str(clip.fps),
            "frames": clip.frames,
            "duration_seconds": round(clip.duration_seconds, 3),
            "has_audio": clip.has_audio,
            "notes": dict(clip.notes),
            "files": [{"name": name, **self._figures(key)} for key, name in self._names.items()],
        }

    def _figures(self, key: str) -> dict[str, Any]:
        stored = self._stored[key]
        return {
            "key": stored.key,
            "content_type": stored.content_type,
            "size_bytes": stored.size_bytes,
            "sha256": _sha256(self._paths[key]),
        }

    def _type(self, key: str) -> str:
        if key == self._video:
            return "video/mp4"
        return _TYPES.get(f".{key.rpartition('.')[2]}", _UNKNOWN)

    def _delete_quietly(self) -> None:
        with suppress(StorageError):  # what stopped the upload is told, not this; orphans are swept
            self.delete()


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name for a file of a result")
    return name


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
