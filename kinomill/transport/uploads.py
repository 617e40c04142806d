"""Files of a submission: opened, sent again from their start after a failure, and counted."""

from __future__ import annotations

import io
import os
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from kinomill.errors import InputFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    OnUpload = Callable[[int, int], object]
    """Called with the bytes sent so far and the bytes in total."""


class Upload:
    """One file of a submission, as httpx reads it: `seek(0)` before each attempt, then `read`."""

    def __init__(self, name: str, file: IO[bytes]) -> None:
        self.name = name.encode(errors="replace").decode()  # some names on a disk are no UTF-8
        self.size = file.seek(0, os.SEEK_END)
        self.sent = 0
        self.on_read: Callable[[], None] | None = None
        self._file = file

    def read(self, size: int = -1) -> bytes:
        """Read the next chunk, which counts as sent."""
        chunk = self._file.read(size)
        self.sent += len(chunk)
        if chunk and self.on_read:
            self.on_read()
        return chunk

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Set the position, from where the file is sent."""
        position = self._file.seek(offset, whence)
        self.sent = 0
        return position

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell()


def is_upload(value: object) -> bool:
    """Return whether an input value is a file to upload: a path, an open file, or bytes."""
    return isinstance(value, (os.PathLike, bytes, bytearray, memoryview)) or hasattr(value, "read")


def is_uri(text: str) -> bool:
    """Return whether a media input names its file by an address, a data URI or a file id."""
    return "://" in text or text.startswith(("data:", "file_"))


@contextmanager
def opened(
    values: Mapping[str, Any], on_upload: OnUpload | None = None
) -> Iterator[dict[str, Upload]]:
    """Open the files of a submission. Closes what it opened, and leaves files of the caller open.

    Raises `InputFileError`.
    """
    with ExitStack() as stack:
        uploads = {name: _open(name, value, stack) for name, value in values.items()}
        if on_upload is not None:
            _report(list(uploads.values()), on_upload)
        yield uploads


def _open(field: str, value: Any, stack: ExitStack) -> Upload:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return Upload(field, io.BytesIO(value))
    if not isinstance(value, os.PathLike):
        return _of_stream(field, value)
    path = Path(value)
    try:
        return Upload(path.name, stack.enter_context(path.open("rb")))
    except OSError as error:
        reason = "no file" if isinstance(error, FileNotFoundError) else error.strerror
        raise InputFileError(field, f"{reason} {str(path)!r}") from error


def _of_stream(field: str, file: Any) -> Upload:
    """Take an open file; what cannot be rewound is read into memory, so that it can be resent."""
    if isinstance(file, io.TextIOBase):
        raise InputFileError(field, "this file is open as text: open it in binary mode ('rb')")
    name = Path(str(getattr(file, "name", field))).name or field
    try:
        return Upload(name, file)
    except (AttributeError, OSError):
        content = file.read()
    if not isinstance(content, bytes):
        raise InputFileError(field, "reading this object gives no bytes")
    return Upload(name, io.BytesIO(content))


def _report(uploads: list[Upload], on_upload: OnUpload) -> None:
    total = sum(upload.size for upload in uploads)

    def report() -> None:
        on_upload(sum(upload.sent for upload in uploads), total)

    for upload in uploads:
        upload.on_read = report
