"""The results of a batch as a stream: JSON lines, or a ZIP archive written as it is sent.

Memory does not grow with the results, and no database connection is held while they are sent.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, cast

from api.batches.responses import RowResult
from jobs.batches import service
from storage.base import ObjectNotFound

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from sqlalchemy.orm import Session

    from api.context.app_context import AppContext
    from jobs.batches.service import RowState
    from storage.base import Storage

ROWS_PER_PAGE = 200
LIST_NAME = "results.jsonl"
"""The last entry of an archive: what became of each row."""
_UNSAFE = re.compile(r"[^\w.-]+")


async def result_lines(
    context: AppContext, batch_id: str, status: str | None
) -> AsyncGenerator[bytes]:
    """A JSON object for each row, in order."""
    async for rows in _pages(context, batch_id, status):
        lines = (RowResult.of(row, context.settings.public_url) for row in rows)
        yield "".join(f"{line.model_dump_json()}\n" for line in lines).encode()


async def archive(context: AppContext, batch_id: str) -> AsyncGenerator[bytes]:
    """A ZIP archive with the results of all rows that have one, and a list of all rows."""
    writer = ZipWriter()
    missing: set[int] = set()
    async for rows in _pages(context, batch_id, "succeeded"):
        for row in rows:
            for name, key in entries(row):
                pieces = writer.add(name, context.storage, key)
                while piece := await context.storage_calls.run(next, pieces, b""):
                    yield piece
                if writer.missing:
                    missing.add(row.number)
    with writer.entry(LIST_NAME) as entry:
        async for rows in _pages(context, batch_id, None):
            for row in rows:
                file = None if row.number in missing else _file_name(row)
                line = RowResult.of(row, context.settings.public_url, file)
                entry.write(f"{line.model_dump_json()}\n".encode())
            yield writer.take()
    yield writer.close()


async def _pages(
    context: AppContext, batch_id: str, status: str | None
) -> AsyncGenerator[list[RowState]]:
    after = 0
    while rows := await context.database_calls.run(_page, batch_id, after, status):
        yield rows
        after = rows[-1].number


def _page(session: Session, batch_id: str, after: int, status: str | None) -> list[RowState]:
    return service.row_page(session, batch_id, after=after, status=status, limit=ROWS_PER_PAGE)


def entries(row: RowState) -> list[tuple[str, str]]:
    """The files of a row: names in the archive, and keys of the objects."""
    if row.result is None or row.expired:
        return []
    stem = _stem(row)
    further = [(f"{stem}-{file['name']}", file["key"]) for file in row.result.get("files", [])]
    return [(f"{stem}{PurePosixPath(row.result['key']).suffix}", row.result["key"]), *further]


def _file_name(row: RowState) -> str | None:
    found = entries(row)
    return found[0][0] if found else None


def _stem(row: RowState) -> str:
    """`00017`, or `00017-my_key` for a row with a key of its own."""
    key = _UNSAFE.sub("_", row.key or "").strip("._")[:80]
    return f"{row.number:05d}-{key}" if key else f"{row.number:05d}"


class ZipWriter:
    """Writes a ZIP archive (zip64, not compressed: videos and pictures are) piece by piece."""

    def __init__(self) -> None:
        self._sink = _Sink()
        self._zip = zipfile.ZipFile(cast("IO[bytes]", self._sink), "w")
        self.missing = False
        """Whether the object of the last entry no longer exists: it has none."""

    def add(self, name: str, storage: Storage, key: str) -> Iterator[bytes]:
        """Write an object as an entry; iterate over the bytes of the archive."""
        self.missing = False
        try:
            chunks = storage.open(key)
            first = next(chunks, b"")
        except ObjectNotFound:
            self.missing = True
            return
        with self.entry(name) as entry:
            entry.write(first)
            yield self.take()
            for chunk in chunks:
                entry.write(chunk)
                yield self.take()
        yield self.take()

    def entry(self, name: str) -> IO[bytes]:
        """Begin an entry of any size."""
        return self._zip.open(name, "w", force_zip64=True)

    def take(self) -> bytes:
        """What was written since the last call."""
        return self._sink.take()

    def close(self) -> bytes:
        """End the archive; returns its last bytes."""
        self._zip.close()
        return self.take()


class _Sink:
    """A file that cannot be read or rewound."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def write(self, data: bytes) -> int:
        """Take bytes."""
        self._written.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing waits."""

    def take(self) -> bytes:
        """All bytes since the last call."""
        taken, self._written = b"".join(self._written), []
        return taken
