"""Where a download is saved. The file appears when it is complete."""

from __future__ import annotations

import os
from email.message import Message
from pathlib import Path, PurePath
from secrets import token_hex
from typing import IO, TYPE_CHECKING, Self

import httpx

from kinomill.job_parts import suffix_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    OnDownload = Callable[[int, int | None], object]
    """Called with the bytes saved so far and the bytes in total, None while that is unknown."""


class PartialFile:
    """A hidden file beside its target, which replaces the target once it is complete.

    The name is random, so that two processes may save the same file at once. After a break the
    next attempt asks for the rest only, if the server has named the version of the file.
    """

    def __init__(self, target: Path, on_progress: OnDownload | None = None) -> None:
        self._target = target
        self._path = target.with_name(f".{target.name}.{token_hex(4)}.part")
        self._on_progress = on_progress
        self._file: IO[bytes] | None = None
        self._done = self._most = 0
        self._total: int | None = None
        self._etag = ""

    def __enter__(self) -> Self:
        self._target.parent.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
        self._path.unlink(missing_ok=True)

    @property
    def headers(self) -> dict[str, str]:
        """Headers of a request for what is missing; none for the whole file."""
        if not (self._done and self._etag):
            return {}
        rest = {"Range": f"bytes={self._done}-", "If-Range": self._etag}
        return rest | {"Accept-Encoding": "identity"}

    def begin(self, response: httpx.Response) -> None:
        """Go on with the rest that was asked for, or begin again with the whole file.

        Raises `httpx.RemoteProtocolError` for a part that does not follow.
        """
        headers = response.headers
        if response.status_code == httpx.codes.PARTIAL_CONTENT:
            follows = headers.get("content-range", "").startswith(f"bytes {self._done}-")
            if not follows or headers.get("etag") != self._etag:
                self._etag = ""
                raise httpx.RemoteProtocolError("the server sent another part of the file")
            return
        self.restart(headers.get("content-length"))
        etag = headers.get("etag", "")
        self._etag = etag if etag.startswith('"') and "content-encoding" not in headers else ""

    def restart(self, content_length: str | None) -> None:
        """Begin again with an empty file: another attempt follows."""
        self._close()
        self._file = self._path.open("wb")
        self._done = 0
        self._total = int(content_length) if content_length else None

    def has_grown(self) -> bool:
        """Whether there is more of the file than when this was last asked."""
        before, self._most = self._most, max(self._most, self._done)
        return self._most > before

    def write(self, chunk: bytes) -> None:
        """Append to the file."""
        if self._file is not None:
            self._file.write(chunk)
        self._done += len(chunk)
        if self._on_progress:
            self._on_progress(self._done, self._total)

    def complete(self, target: Path | None = None) -> Path:
        """Move the file to its target, or to the one known since the answer; returns that."""
        self._close()
        return self._path.replace(target or self._target)

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def sent_suffix(headers: Mapping[str, str]) -> str:
    """The extension that an answer names its file by (RFC 6266); empty without a name."""
    message = Message()
    message["content-disposition"] = headers.get("content-disposition", "")
    return suffix_of(message.get_filename() or "")


def target_path(
    to: str | os.PathLike[str], job_id: str, name: str | None, suffix: str = ""
) -> Path:
    """Return the path of a download: `to` is a file, or a folder, which gets a name of our own.

    A folder exists or is written with a slash at its end. In it a result is `job_…` with the
    suffix that the server names, e.g. `.mp4` or `.png`; another file is `job_…-NAME`.
    """
    path = Path(to)
    if not path.is_dir() and not os.fspath(to).endswith(("/", os.sep)):
        return path
    return path / (f"{job_id}{suffix}" if name is None else f"{job_id}-{PurePath(name).name}")
