"""The state of each row: an append-only file that survives a kill, and a small index of it."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
from array import array
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from kinomill.cli.backfill.file_format import RowsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SYNC_SECONDS = 1.0
"""Between two fsyncs. What a power failure loses is submitted again with the same keys."""
REJECTED = "rejected"
"""The row has no job; the next run tries it again."""
REPORTS = ("results.jsonl", "results.csv")
"""Files beside the journal that a run replaces."""
_BEGINNING = b'{"run": "'
_MAX_HEADER_BYTES = 4096
_STATUSES = ("", "open", "succeeded", "failed", "canceled", REJECTED)


@dataclass(frozen=True)
class Entry:
    """One line of the journal: the state of a row."""

    row: int
    digest: str
    status: str
    job: str | None = None
    code: str | None = None
    detail: str | None = None
    result: dict[str, Any] | None = None
    path: str | None = None
    columns: dict[str, Any] | None = None
    """The cells of the row that are no inputs."""

    @property
    def failed(self) -> bool:
        """Whether the row has ended without a result."""
        return self.status not in {"open", "succeeded"}

    @property
    def settled(self) -> bool:
        """Whether another run would change nothing about the row."""
        return self.status not in {"open", REJECTED}


class Journal:
    """`journal.jsonl` in the folder of a run. One process at a time; 17 bytes of memory per row."""

    def __init__(self, folder: Path, *, model: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._path = folder / "journal.jsonl"
        self._file = self._open()
        self._digests, self._offsets, self._statuses = array("Q"), array("Q"), bytearray()
        self._synced = time.monotonic()
        try:
            self._require_own()
            self.run = self._load(model) or self._create(model)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sync()
        self._file.close()

    def find(self, row: int, digest: str) -> Entry | None:
        """Return the state of a row; None if it is new or has been changed since."""
        if row >= len(self._statuses) or self._digests[row] != int(digest, 16):
            return None
        return self._entry(row) if self._statuses[row] else None

    def add(self, entry: Entry) -> None:
        """Append the state of a row; it survives a kill of this process."""
        self._index(entry, self._append({k: v for k, v in asdict(entry).items() if v is not None}))
        if time.monotonic() - self._synced > SYNC_SECONDS:
            self.sync()

    def sync(self) -> None:
        """Flush the file to the disk."""
        os.fsync(self._file.fileno())
        self._synced = time.monotonic()

    def __iter__(self) -> Iterator[Entry]:
        """Iterate over the last state of each row, in the order of rows."""
        for row, status in enumerate(self._statuses):
            if status:
                yield self._entry(row)

    def _open(self) -> BinaryIO:
        file = self._path.open("a+b", buffering=0)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.close()
            raise RowsError(f"another backfill is running on these rows ({self.folder})") from error
        return file

    def _require_own(self) -> None:
        """Leave a file of somebody else alone. Raises `RowsError`."""
        with self._path.open("rb") as file:
            first = file.readline(_MAX_HEADER_BYTES)
        unfinished = not first.endswith(b"\n") and _BEGINNING.startswith(first[: len(_BEGINNING)])
        if not (unfinished or _is_header(first) or not first.strip(b"\0\n")):
            raise RowsError(
                f"{self._path} is not the journal of a backfill, and stays as it is: "
                "pass another --state"
            )

    def _load(self, model: str) -> str | None:
        """Read the journal, and truncate the line that a killed writer left unfinished.

        A line that a power failure damaged is skipped: its row is submitted again with the same
        key, which returns the same job. Those after it count.
        """
        end, header = 0, None
        with self._path.open("rb") as file:
            for text in file:
                if not text.endswith(b"\n"):
                    break
                with suppress(ValueError, TypeError):
                    if header is None:
                        header = json.loads(text)
                    else:
                        self._index(Entry(**json.loads(text)), end)
                if header is None:
                    break
                end += len(text)
        self._file.truncate(end)
        if header is None:
            return None
        if header["model"] != model:
            raise RowsError(
                f"{self.folder} is the state of a run with {header['model']}; pass another --state"
            )
        return str(header["run"])

    def _create(self, model: str) -> str:
        for name in REPORTS:
            if (self.folder / name).exists():
                raise RowsError(
                    f"{self.folder / name} is of no run that is known here, and stays as it is: "
                    "pass another --state, or move the file"
                )
        run = secrets.token_hex(8)
        self._append({"run": run, "model": model})
        self.sync()
        handle = os.open(self.folder, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)
        return run

    def _append(self, fields: dict[str, Any]) -> int:
        offset = self._file.seek(0, os.SEEK_END)
        text = memoryview(json.dumps(fields).encode() + b"\n")
        while text:
            text = text[self._file.write(text) :]
        return offset

    def _index(self, entry: Entry, offset: int) -> None:
        missing = entry.row + 1 - len(self._statuses)
        if missing > 0:
            self._digests.frombytes(bytes(8 * missing))
            self._offsets.frombytes(bytes(8 * missing))
            self._statuses.extend(bytes(missing))
        self._digests[entry.row] = int(entry.digest, 16)
        self._offsets[entry.row] = offset
        self._statuses[entry.row] = _STATUSES.index(entry.status)

    def _entry(self, row: int) -> Entry:
        self._file.seek(self._offsets[row])
        return Entry(**json.loads(self._line()))

    def _line(self) -> bytes:
        pieces = []
        while piece := self._file.read(4096):
            pieces.append(piece)
            if b"\n" in piece:
                break
        return b"".join(pieces).partition(b"\n")[0]


def _is_header(line: bytes) -> bool:
    """Whether this is the first line of a journal."""
    try:
        fields = json.loads(line)
    except ValueError:
        return False
    return isinstance(fields, dict) and {"run", "model"} <= fields.keys()
