"""Uploads the result of an attempt, video and other files: all of them or none."""

from __future__ import annotations

import re
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

from jobs.states import Phase
from runtime.files import sha256_file
from storage.base import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobs.lease import Lease
    from models.spec import RunResult
    from storage.base import Storage, StoredObject

_FILE_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_UNKNOWN_TYPE = "application/octet-stream"
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
"""Content types by file extension; those of the standard library depend on the machine."""


class ResultUpload:
    """The upload of one attempt's video and files to object storage.

    Raises `ValueError` for an invalid file name: lower-case letters, digits, `.`, `_` and `-`.
    """

    def __init__(self, run_result: RunResult, lease: Lease, storage: Storage) -> None:
        self._run_result = run_result
        self._storage = storage
        self._video = lease.result_key
        self._names = {lease.file_key(_checked(name)): name for name in run_result.files}
        self._paths = {self._video: run_result.path} | {
            key: run_result.files[name] for key, name in self._names.items()
        }
        self._stored: dict[str, StoredObject] = {}

    def upload(self, report: Callable[[Phase, int, int], None]) -> None:
        """Store the video, then the files. If an error stops it, deletes what it has stored."""
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
        """Delete what was stored, because the result is not published."""
        for key in self._stored:
            self._storage.delete(key)

    def result(self) -> dict[str, Any]:
        """Return the description of the result, as stored in the database."""
        run_result = self._run_result
        return {
            **self._describe(self._video),
            "width": run_result.width,
            "height": run_result.height,
            "fps": str(run_result.fps),
            "frames": run_result.frames,
            "duration_seconds": round(run_result.duration_seconds, 3),
            "has_audio": run_result.has_audio,
            "encoder": run_result.encoder,
            "notes": dict(run_result.notes),
            "files": [{"name": name, **self._describe(key)} for key, name in self._names.items()],
        }

    def _describe(self, key: str) -> dict[str, Any]:
        stored = self._stored[key]
        return {
            "key": stored.key,
            "content_type": stored.content_type,
            "size_bytes": stored.size_bytes,
            "sha256": sha256_file(self._paths[key]),
        }

    def _type(self, key: str) -> str:
        if key == self._video:
            return "video/mp4"
        return _TYPES.get(f".{key.rpartition('.')[2]}", _UNKNOWN_TYPE)

    def _delete_quietly(self) -> None:
        with suppress(StorageError):  # the upload's own error is reported; orphans are swept
            self.delete()


def _checked(name: str) -> str:
    if not _FILE_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a valid name for a file of a result")
    return name
