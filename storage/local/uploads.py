"""Unfinished uploads in a local directory: the API takes their bytes by signed links."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO

from storage import disk
from storage.base import LinkInvalid, UploadIncomplete, is_own, require_own
from storage.direct import PART_BYTES, Instructions, UploadState
from storage.local import entries
from storage.object_keys import check_key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime, timedelta
    from pathlib import Path

    from storage.signed_links import LinkSigner

_PURPOSE = "PUT "
"""Before the size in what is signed: no link of a download is one of an upload."""

STORE = "local"


class LocalUploads:
    """A file for each upload, which grows as its bytes arrive."""

    def __init__(self, folder: Path, signer: LinkSigner) -> None:
        """`signer` signs the links of the API's route for uploads."""
        self._folder = folder
        self._signer = signer

    def start(self, file_id: str, size_bytes: int) -> UploadState:
        """Begin an upload; its file is created with the first bytes."""
        check_key(file_id)
        return {"store": STORE, "size_bytes": size_bytes}

    def instructions(
        self, file_id: str, state: UploadState, *, ttl: timedelta, now: datetime
    ) -> Instructions:
        """One signed link for all pieces."""
        require_own(state, STORE)
        url = self._signer.sign(
            check_key(file_id),
            expires=int((now + ttl).timestamp()),
            filename=f"{_PURPOSE}{state['size_bytes']}",
        )
        return Instructions("content-range", (url,), PART_BYTES)

    def verify_link(
        self, file_id: str, *, expires: int, filename: str, signature: str, now: datetime
    ) -> int:
        """Verify a signed link; returns the size of the file. Raises `LinkInvalid`, `LinkExpired`.

        `filename` is the query parameter that carries the size.
        """
        self._signer.verify(
            file_id, expires=expires, filename=filename, signature=signature, now=now
        )
        if not filename.startswith(_PURPOSE):
            raise LinkInvalid
        return int(filename.removeprefix(_PURPOSE))

    def received_bytes(self, file_id: str) -> int:
        """How many bytes have arrived."""
        with disk.disk_errors():
            path = self._path(file_id)
            return path.stat().st_size if path.exists() else 0

    @contextmanager
    def appending(self, file_id: str) -> Iterator[BinaryIO]:
        """The file, to append to from its end at this time; for one request at a time.

        Raises `BlockingIOError` while another one appends, `StorageFull`.
        """
        with disk.disk_errors():
            disk.create_folders(self._folder)
            descriptor = os.open(self._path(file_id), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            entries.lock(file.fileno(), self._folder, wait=False)
            file.seek(0, os.SEEK_END)
            with disk.disk_errors():
                yield file

    def read(self, file_id: str, state: UploadState) -> Iterator[bytes]:
        """Stream the bytes. Raises `UploadIncomplete`."""
        require_own(state, STORE)
        received = self.received_bytes(file_id)
        if received != state["size_bytes"]:
            raise UploadIncomplete(f"{received:,} of {state['size_bytes']:,} bytes have arrived")
        return disk.read_range(self._path(file_id), 0, received)

    def drop(self, file_id: str, state: UploadState) -> None:
        """Delete the file."""
        if not is_own(state, STORE):
            return
        with disk.disk_errors():
            self._path(file_id).unlink(missing_ok=True)

    def sweep(self, oldest: float) -> int:
        """Delete files that were not modified since `oldest`; returns how many."""
        swept = 0
        for path in self._folder.glob("*"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < oldest:
                    path.unlink()
                    swept += 1
        return swept

    def _path(self, file_id: str) -> Path:
        return self._folder / check_key(file_id)
