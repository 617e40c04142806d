"""Unfinished uploads to a Google Cloud Storage bucket: its own resumable sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from storage.base import ObjectNotFound, UploadIncomplete, is_own, require_own
from storage.direct import PART_BYTES, UPLOADS, Instructions, UploadState
from storage.gcs.errors import translate_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime, timedelta

    from storage.base import Storage

STORE = "gcs"


class GcsUploads:
    """An object for each upload, which appears with its last byte."""

    def __init__(self, storage: Storage, blob: Callable[[str], Any]) -> None:
        """`storage` reads and deletes objects; `blob` is Google's object of a key."""
        self._storage = storage
        self._blob = blob

    def start(self, file_id: str, size_bytes: int) -> UploadState:
        """Begin a session: its URL is valid for a week, and for this object and size only."""
        blob = self._blob(UPLOADS + file_id)
        with translate_errors(file_id):
            url = blob.create_resumable_upload_session(
                content_type="application/octet-stream", size=size_bytes, if_generation_match=0
            )
        return {"store": STORE, "size_bytes": size_bytes, "url": url}

    def instructions(
        self,
        file_id: str,
        state: UploadState,
        *,
        ttl: timedelta,
        now: datetime,
    ) -> Instructions:
        """The URL of the session."""
        require_own(state, STORE)
        return Instructions("content-range", (state["url"],), PART_BYTES)

    def read(self, file_id: str, state: UploadState) -> Iterator[bytes]:
        """Stream the bytes. Raises `UploadIncomplete`."""
        require_own(state, STORE)
        try:
            size = self._storage.stat(UPLOADS + file_id).size_bytes
        except ObjectNotFound as error:
            raise UploadIncomplete("the upload to the bucket has not been completed") from error
        if size != state["size_bytes"]:
            raise UploadIncomplete(f"{size:,} of {state['size_bytes']:,} bytes have arrived")
        return self._storage.open(UPLOADS + file_id)

    def drop(self, file_id: str, state: UploadState) -> None:
        """Delete the object; a session without its last byte ends by itself."""
        if not is_own(state, STORE):
            return
        self._storage.delete(UPLOADS + file_id)
