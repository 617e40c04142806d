"""Uploads the result of an attempt and its other files: all of them or none."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from jobs.states import Phase
from models.file_type import HEAD_BYTES, JPEG
from models.marking.mark import mark
from runtime.files import sha256_file
from storage.base import NewObject

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobs.lease import Lease
    from models.marking.source_type import DigitalSourceType
    from models.poster.poster import Poster
    from models.spec import RunResult
    from storage.base import Storage, StoredObject

_FILE_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_EXTENSION = re.compile(r"[a-z0-9]{1,10}")
_CONTENT_TYPE = re.compile(r"[a-z]+/[a-z0-9][a-z0-9.+-]{0,63}")
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
    ".webm": "video/webm",
    ".webp": "image/webp",
}
"""Content types by file extension; those of the standard library depend on the machine."""


class ResultUpload:
    """The upload of one attempt's result and other files to object storage.

    Raises `ValueError` if the result is not what the runner says, or for an invalid file name:
    lower-case letters, digits, `.`, `_` and `-`.
    """

    def __init__(
        self,
        run_result: RunResult,
        lease: Lease,
        storage: Storage,
        source: DigitalSourceType,
        *,
        poster: Poster | None = None,
    ) -> None:
        check_result(run_result)
        self._run_result = run_result
        self._poster = poster
        self._poster_key = lease.poster_key
        self._source = source
        self._storage = storage
        self._main = lease.result_key(run_result.file_type.extension)
        self._names = {lease.file_key(_checked(name)): name for name in run_result.files}
        self._paths = {self._main: run_result.path} | {
            key: run_result.files[name] for key, name in self._names.items()
        }
        if poster is not None:
            self._paths[self._poster_key] = poster.path
        self._digests: dict[str, str] = {}
        self._stored: dict[str, StoredObject] = {}

    def upload(self, report: Callable[[Phase, int, int], None]) -> None:
        """Mark the result, then store it and the other files: all of them or none."""
        mark(self._run_result.path, self._run_result.file_type, self._source)
        if self._poster is not None:
            mark(self._poster.path, JPEG, self._source)
        self._digests = {key: sha256_file(path) for key, path in self._paths.items()}
        total = sum(path.stat().st_size for path in self._paths.values())
        report(Phase.UPLOADING, 0, total)
        stored = self._storage.put_all(
            [
                NewObject(key, path, self._type(key), self._digests[key])
                for key, path in self._paths.items()
            ],
            lambda done: report(Phase.UPLOADING, done, total),
        )
        self._stored = {one.key: one for one in stored}

    @property
    def size_bytes(self) -> int:
        """Of all that was stored."""
        return sum(stored.size_bytes for stored in self._stored.values())

    def delete(self) -> None:
        """Delete what was stored, because the result is not published."""
        for key in self._stored:
            self._storage.delete(key)

    def result(self) -> dict[str, Any]:
        """Return the description of the result, as stored in the database."""
        run_result = self._run_result
        return {
            **self._describe(self._main),
            "width": run_result.width,
            "height": run_result.height,
            **_timing(run_result),
            "encoder": run_result.encoder,
            "notes": dict(run_result.notes),
            "files": [{"name": name, **self._describe(key)} for key, name in self._names.items()],
            **self._describe_poster(),
        }

    def _describe_poster(self) -> dict[str, Any]:
        if self._poster is None:
            return {}
        size = {"width": self._poster.width, "height": self._poster.height}
        return {"poster": {**self._describe(self._poster_key), **size}}

    def _describe(self, key: str) -> dict[str, Any]:
        stored = self._stored[key]
        return {
            "key": stored.key,
            "content_type": stored.content_type,
            "size_bytes": stored.size_bytes,
            "sha256": self._digests[key],
        }

    def _type(self, key: str) -> str:
        if key == self._main:
            return self._run_result.file_type.content_type
        return _TYPES.get(f".{key.rpartition('.')[2]}", _UNKNOWN_TYPE)


def check_result(result: RunResult) -> None:
    """Check that a runner has made what it says. Raises `ValueError`, which names the fault."""
    made, path = result.file_type, result.path
    if not _EXTENSION.fullmatch(made.extension) or not _CONTENT_TYPE.fullmatch(made.content_type):
        raise ValueError(f"{made.content_type!r} as .{made.extension} is no valid type of a file")
    if path.suffix != made.suffix:
        raise ValueError(f"{path.name} is not named as {made.content_type}: {made.suffix}")
    if not path.is_file() or not path.stat().st_size:
        raise ValueError(f"the runner wrote no {path.name}")
    with path.open("rb") as file:
        if not made.fits(file.read(HEAD_BYTES)):
            raise ValueError(f"the content of {path.name} is not {made.content_type}")
    if min(result.width, result.height) < 1:
        raise ValueError(f"{path.name} has no size: {result.width} x {result.height}")
    if len({value is None for value in (result.fps, result.frames, result.duration_seconds)}) > 1:
        raise ValueError(f"{path.name} has only some of fps, frames and duration_seconds")


def _timing(result: RunResult) -> dict[str, Any]:
    """What only a video has, as stored in the database; None in a picture."""
    seconds = result.duration_seconds
    return {
        "fps": None if result.fps is None else str(result.fps),
        "frames": result.frames,
        "duration_seconds": None if seconds is None else round(seconds, 3),
        "has_audio": result.has_audio,
    }


def _checked(name: str) -> str:
    if not _FILE_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a valid name for a file of a result")
    return name
