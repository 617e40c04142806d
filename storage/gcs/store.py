"""Object storage in a Google Cloud Storage bucket."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

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
from storage.bucket import TRANSFER_BYTES, UPLOAD_ID, BucketStorage, NewUpload
from storage.disk import write_verified
from storage.gcs.access import signing_credentials
from storage.gcs.errors import is_lost_session, request_arguments, translate_errors
from storage.gcs.uploads import GcsUploads
from storage.object_keys import check_key, check_prefix
from storage.retry import RetryConfig
from storage.signed_links import content_disposition

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime, timedelta
    from pathlib import Path

    from google.cloud.storage import Blob, Client

    from storage.checksums import Checksum


MAX_UPLOAD_SESSIONS = 3
"""How many resumable upload sessions are tried when the bucket loses them half-way."""

_FIELDS = "items(name,size,crc32c,contentType,timeCreated),nextPageToken"
_DEFAULT_RETRY = RetryConfig()


class GcsStorage(BucketStorage):
    """Objects below `gs://bucket/prefix/`, with Google's V4 signed URLs."""

    def __init__(
        self, bucket: str, prefix: str, client: Client, *, retry: RetryConfig = _DEFAULT_RETRY
    ) -> None:
        self._client = client
        self._bucket = client.bucket(bucket)
        self._prefix = f"{check_key(prefix)}/" if prefix else ""
        self._retry = retry
        self.uploads = GcsUploads(self, self._blob)

    def open(self, key: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Stream the bytes `start` to `end` (exclusive), at most to the end of the object."""
        blob = self._get_blob(key)
        return self._read_chunks(blob, start, blob.size if end is None else min(end, blob.size))

    def download(self, key: str, path: Path) -> StoredObject:
        """Write the object to a local file and verify its size and CRC32C."""
        blob = self._get_blob(key)
        stored = self._to_stored_object(blob)
        write_verified(self._read_chunks(blob, 0, blob.size), stored, path)
        return stored

    def stat(self, key: str) -> StoredObject:
        """Fetch the object's metadata."""
        return self._to_stored_object(self._get_blob(key))

    def delete(self, key: str) -> None:
        """Delete the object; does nothing when it is missing."""
        with suppress(ObjectNotFound), translate_errors(key):
            self._blob(key).delete(**request_arguments(self._retry))

    def list_objects(self, prefix: str) -> Iterator[StoredObject]:
        """List all objects whose key begins with the prefix, in byte order, page by page."""
        full_prefix = self._prefix + check_prefix(prefix)
        with translate_errors(f"gs://{self._bucket.name}/{full_prefix}"):
            for blob in self._client.list_blobs(
                self._bucket, prefix=full_prefix, fields=_FIELDS, **request_arguments(self._retry)
            ):
                yield self._to_stored_object(blob)

    def signed_url(self, key: str, *, ttl: timedelta, now: datetime, filename: str) -> str:
        """Return a V4 signed URL; Google allows a `ttl` of at most seven days."""
        with translate_errors(key):
            url: str = self._blob(key).generate_signed_url(
                version="v4",
                expiration=now + ttl,
                response_disposition=content_disposition(filename),
                credentials=signing_credentials(
                    self._client._credentials, self._retry.read_seconds
                ),
            )
        return url

    def close(self) -> None:
        """Close the connections to the bucket."""
        self._client.close()

    def _blob(self, key: str) -> Blob:
        return self._bucket.blob(self._prefix + check_key(key))

    def _get_blob(self, key: str) -> Blob:
        blob = self._blob(key)
        with translate_errors(key):
            blob.reload(**request_arguments(self._retry))
        return blob

    def _put(self, upload: NewUpload) -> StoredObject:
        try:
            blob = self._upload(upload)
        except ObjectNotFound as error:
            raise StorageError(f"bucket {self._bucket.name} does not exist") from error
        except ObjectExists:
            blob = self._get_blob(upload.key)
            if (blob.metadata or {}).get(UPLOAD_ID) != upload.id:
                raise
        return self._verify(blob, upload.checksum)

    def _upload(self, upload: NewUpload) -> Blob:
        with translate_errors(upload.key):
            for _ in range(MAX_UPLOAD_SESSIONS):
                try:
                    return self._send(upload)
                except (GoogleAPICallError, ValueError) as error:
                    if not is_lost_session(error):
                        raise
        raise StorageUnavailable(
            f"{upload.key}: the bucket lost the upload session {MAX_UPLOAD_SESSIONS} times"
        )

    def _send(self, upload: NewUpload) -> Blob:
        """Upload once; the bucket also compares the checksum and rejects a difference."""
        blob = self._blob(upload.key)
        blob.chunk_size = TRANSFER_BYTES
        blob.crc32c = upload.checksum.crc32c
        blob.metadata = {UPLOAD_ID: upload.id}
        with upload.path.open("rb") as source:
            blob.upload_from_file(
                source,
                size=upload.checksum.size_bytes,
                content_type=upload.content_type,
                if_generation_match=0,
                checksum=None,
                **request_arguments(self._retry),
            )
        return blob

    def _verify(self, blob: Blob, checksum: Checksum) -> StoredObject:
        stored = self._to_stored_object(blob)
        if checksum.matches(stored):
            return stored
        with suppress(StorageError), translate_errors(stored.key):
            blob.delete(if_generation_match=blob.generation, **request_arguments(self._retry))
        raise UploadCorrupted(
            f"{stored.key}: sent {checksum.size_bytes} bytes ({checksum.crc32c}), "
            f"the bucket stored {stored.size_bytes} ({stored.crc32c})"
        )

    def _read_chunks(self, blob: Blob, start: int, end: int) -> Iterator[bytes]:
        """Read ranges of one generation of the object; each range is retried on its own."""
        while start < end:
            stop = min(start + TRANSFER_BYTES, end)
            with translate_errors(blob.name):
                chunk: bytes = blob.download_as_bytes(
                    start=start, end=stop - 1, checksum=None, **request_arguments(self._retry)
                )
            if len(chunk) != stop - start:
                raise ObjectCorrupted(f"{blob.name}: received {len(chunk)} of {stop - start} bytes")
            yield chunk
            start = stop

    def _to_stored_object(self, blob: Blob) -> StoredObject:
        return StoredObject(
            key=blob.name.removeprefix(self._prefix),
            size_bytes=blob.size,
            crc32c=blob.crc32c,
            content_type=blob.content_type or "application/octet-stream",
            created_at=blob.time_created,
        )
