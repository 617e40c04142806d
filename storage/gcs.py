"""Objects in a Google Cloud Storage bucket."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import uuid4

from google.api_core.exceptions import GoogleAPICallError

from storage.base import (
    ObjectCorrupted,
    ObjectExists,
    ObjectNotFound,
    StorageError,
    StorageUnavailable,
    StoredObject,
    UploadCorrupted,
)
from storage.checksums import tally_of
from storage.disk import write_verified
from storage.gcs_access import signing_arguments
from storage.gcs_errors import Patience, is_lost_session, translated
from storage.object_keys import check_key, check_prefix
from storage.signed_links import disposition

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime, timedelta
    from pathlib import Path

    from google.cloud.storage import Blob, Client

    from storage.checksums import Tally

PIECE_BYTES = 8 * 1024 * 1024
"""How much of an object is in memory at a time, up or down. A multiple of 256 KiB."""

SESSIONS = 3
"""How often an upload that the bucket forgot half-way is begun again."""

_TICKET = "kinomill-upload"
_FIELDS = "items(name,size,crc32c,contentType,timeCreated),nextPageToken"
_PATIENT = Patience()


@dataclass(frozen=True)
class _Draft:
    """A file on its way up."""

    key: str
    path: Path
    content_type: str
    tally: Tally
    ticket: str = field(default_factory=lambda: uuid4().hex)


class GcsStorage:
    """Objects below `gs://bucket/prefix/`, with V4 signed URLs of Google's own."""

    def __init__(
        self, bucket: str, prefix: str, client: Client, *, patience: Patience = _PATIENT
    ) -> None:
        self._client = client
        self._bucket = client.bucket(bucket)
        self._start = f"{check_key(prefix)}/" if prefix else ""
        self._patience = patience

    def put(self, key: str, path: Path, *, content_type: str) -> StoredObject:
        """Upload a local file if the key is free, and compare what the bucket says it holds.

        A ticket in the metadata tells our own object, whose answer was lost, from another's.
        """
        draft = _Draft(check_key(key), path, content_type, tally_of(path))
        try:
            blob = self._upload(draft)
        except ObjectNotFound as error:
            raise StorageError(f"bucket {self._bucket.name} does not exist") from error
        except ObjectExists:
            blob = self._find(key)
            if (blob.metadata or {}).get(_TICKET) != draft.ticket:
                raise
        return self._verified(blob, draft.tally)

    def open(self, key: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Stream the bytes `start` to `end` (exclusive), or what there is of them."""
        blob = self._find(key)
        return self._pieces(blob, start, blob.size if end is None else min(end, blob.size))

    def download(self, key: str, path: Path) -> StoredObject:
        """Write the object to a local file, checked against its CRC32C."""
        blob = self._find(key)
        stored = self._stored(blob)
        write_verified(self._pieces(blob, 0, blob.size), stored, path)
        return stored

    def stat(self, key: str) -> StoredObject:
        """Ask for the object's metadata."""
        return self._stored(self._find(key))

    def delete(self, key: str) -> None:
        """Remove the object; a missing one is no error."""
        with suppress(ObjectNotFound), translated(key):
            self._blob(key).delete(**self._patience.arguments())

    def keys(self, prefix: str) -> Iterator[StoredObject]:
        """All objects whose key begins with the prefix, in key order, a page at a time."""
        start = self._start + check_prefix(prefix)
        with translated(f"gs://{self._bucket.name}/{start}"):
            for blob in self._client.list_blobs(
                self._bucket, prefix=start, fields=_FIELDS, **self._patience.arguments()
            ):
                yield self._stored(blob)

    def signed_url(self, key: str, *, ttl: timedelta, now: datetime, filename: str) -> str:
        """Return a V4 signed URL; Google allows seven days at most."""
        with translated(key):
            url: str = self._blob(key).generate_signed_url(
                version="v4",
                expiration=now + ttl,
                response_disposition=disposition(filename),
                **signing_arguments(self._client._credentials),
            )
        return url

    def _blob(self, key: str) -> Blob:
        return self._bucket.blob(self._start + check_key(key))

    def _find(self, key: str) -> Blob:
        blob = self._blob(key)
        with translated(key):
            blob.reload(**self._patience.arguments())
        return blob

    def _upload(self, draft: _Draft) -> Blob:
        with translated(draft.key):
            for _ in range(SESSIONS):
                try:
                    return self._send(draft)
                except (GoogleAPICallError, ValueError) as error:
                    if not is_lost_session(error):
                        raise
        raise StorageUnavailable(f"{draft.key}: the bucket forgot the upload {SESSIONS} times")

    def _send(self, draft: _Draft) -> Blob:
        """Upload once; the bucket compares the checksum too, and refuses what differs."""
        blob = self._blob(draft.key)
        blob.chunk_size = PIECE_BYTES
        blob.crc32c = draft.tally.crc32c
        blob.metadata = {_TICKET: draft.ticket}
        with draft.path.open("rb") as source:
            blob.upload_from_file(
                source,
                size=draft.tally.size_bytes,
                content_type=draft.content_type,
                if_generation_match=0,
                checksum=None,
                **self._patience.arguments(),
            )
        return blob

    def _verified(self, blob: Blob, tally: Tally) -> StoredObject:
        stored = self._stored(blob)
        if tally.matches(stored):
            return stored
        with suppress(StorageError), translated(stored.key):
            blob.delete(if_generation_match=blob.generation, **self._patience.arguments())
        raise UploadCorrupted(
            f"{stored.key}: sent {tally.size_bytes} bytes ({tally.crc32c}), "
            f"the bucket holds {stored.size_bytes} ({stored.crc32c})"
        )

    def _pieces(self, blob: Blob, start: int, end: int) -> Iterator[bytes]:
        """Read in ranges of one generation, each of them retried alone."""
        while start < end:
            stop = min(start + PIECE_BYTES, end)
            with translated(blob.name):
                piece: bytes = blob.download_as_bytes(
                    start=start, end=stop - 1, checksum=None, **self._patience.arguments()
                )
            if len(piece) != stop - start:
                raise ObjectCorrupted(f"{blob.name}: {len(piece)} of {stop - start} bytes came")
            yield piece
            start = stop

    def _stored(self, blob: Blob) -> StoredObject:
        return StoredObject(
            key=blob.name.removeprefix(self._start),
            size_bytes=blob.size,
            crc32c=blob.crc32c,
            content_type=blob.content_type or "application/octet-stream",
            created_at=blob.time_created,
        )
