"""Object storage in a bucket over the S3 API."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from storage.base import (
    ListedObject,
    ObjectCorrupted,
    ObjectExists,
    StorageError,
    StorageUnavailable,
    StoredObject,
    UploadCorrupted,
)
from storage.bucket import TRANSFER_BYTES, UPLOAD_ID, BucketStorage, NewUpload
from storage.disk import write_verified
from storage.object_keys import check_key, check_prefix
from storage.retry import RetryConfig
from storage.s3.bucket import Bucket
from storage.s3.errors import call, is_lost_upload, translate_errors
from storage.s3.uploads import S3Uploads
from storage.signed_links import content_disposition

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime, timedelta
    from pathlib import Path

    from storage.checksums import Checksum


MAX_UPLOADS = 3
"""How many multipart uploads of one object are tried when the bucket loses them half-way."""

_CRC32C = "kinomill-crc32c"
"""Metadata key of the checksum: not every store that speaks S3 returns one of its own."""
_DEFAULT_RETRY = RetryConfig()


class S3Storage(BucketStorage):
    """Objects below `s3://bucket/prefix/`, with V4 signed URLs."""

    def __init__(
        self, bucket: str, prefix: str, client: Any, *, retry: RetryConfig = _DEFAULT_RETRY
    ) -> None:
        self._bucket = Bucket(client, bucket, f"{check_key(prefix)}/" if prefix else "", retry)
        self.uploads = S3Uploads(self, self._bucket)

    def open(self, key: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Stream the bytes `start` to `end` (exclusive), at most to the end of the object."""
        head = self._head(key)
        size = head["ContentLength"]
        return self._read_chunks(key, head["ETag"], start, size if end is None else min(end, size))

    def download(self, key: str, path: Path) -> StoredObject:
        """Write the object to a local file and verify its size and CRC32C."""
        head = self._head(key)
        stored = _stored_object(key, head)
        chunks = self._read_chunks(key, head["ETag"], 0, stored.size_bytes)
        write_verified(chunks, stored, path)
        return stored

    def stat(self, key: str) -> StoredObject:
        """Fetch the object's metadata."""
        return _stored_object(key, self._head(key))

    def delete(self, key: str) -> None:
        """Delete the object; does nothing when it is missing."""
        with translate_errors(key):
            self._bucket.call("delete_object", Key=self._bucket.key(key))

    def list_objects(self, prefix: str) -> Iterator[ListedObject]:
        """List all objects whose key begins with the prefix, in byte order, page by page."""
        full_prefix = self._bucket.prefix + check_prefix(prefix)
        page: dict[str, Any] = {"IsTruncated": True}
        more: dict[str, str] = {}
        while page["IsTruncated"]:
            with translate_errors(f"s3://{self._bucket.name}/{full_prefix}"):
                page = self._bucket.call("list_objects_v2", Prefix=full_prefix, **more)
            for entry in page.get("Contents", ()):
                key = entry["Key"].removeprefix(self._bucket.prefix)
                yield ListedObject(key, entry["Size"], entry["LastModified"])
            more = {"ContinuationToken": page.get("NextContinuationToken", "")}

    def signed_url(self, key: str, *, ttl: timedelta, now: datetime, filename: str) -> str:
        """Return a V4 signed URL; S3 allows a `ttl` of at most seven days.

        It is valid from the clock of this machine on, and no longer than temporary credentials.
        """
        with translate_errors(key):
            url: str = self._bucket.client.generate_presigned_url(
                "get_object",
                Params={
                    "Bucket": self._bucket.name,
                    "Key": self._bucket.key(key),
                    "ResponseContentDisposition": content_disposition(filename),
                },
                ExpiresIn=int(ttl.total_seconds()),
            )
        return url

    def close(self) -> None:
        """Close the connections to the bucket."""
        self._bucket.client.close()

    def _head(self, key: str) -> dict[str, Any]:
        with translate_errors(key):
            head: dict[str, Any] = self._bucket.call("head_object", Key=self._bucket.key(key))
        return head

    def _put(self, upload: NewUpload) -> StoredObject:
        try:
            self._upload(upload)
            head = self._head(upload.key)
        except ObjectExists:
            head = self._head(upload.key)
            if head["Metadata"].get(UPLOAD_ID) != upload.id:
                raise
        return self._verify(upload.key, head, upload.checksum)

    def _upload(self, upload: NewUpload) -> None:
        with translate_errors(upload.key):
            if upload.checksum.size_bytes <= TRANSFER_BYTES:
                self._bucket.call(
                    "put_object",
                    Key=self._bucket.key(upload.key),
                    Body=upload.path.read_bytes(),
                    ContentType=upload.content_type,
                    Metadata=_metadata(upload),
                    IfNoneMatch="*",
                )
                return
            for _ in range(MAX_UPLOADS):
                if self._upload_in_parts(upload):
                    return
        raise StorageUnavailable(f"{upload.key}: the bucket lost the upload {MAX_UPLOADS} times")

    def _upload_in_parts(self, upload: NewUpload) -> bool:
        """Upload once; returns whether the bucket still knew the upload at its end."""
        name = self._bucket.key(upload.key)
        created = self._bucket.call(
            "create_multipart_upload",
            Key=name,
            ContentType=upload.content_type,
            Metadata=_metadata(upload),
        )
        which = {"Key": name, "UploadId": created["UploadId"]}
        try:
            parts = list(self._send_parts(upload.path, which))
            self._bucket.call(
                "complete_multipart_upload",
                **which,
                MultipartUpload={"Parts": parts},
                IfNoneMatch="*",
            )
        except ClientError as error:
            self._abort(which)
            if not is_lost_upload(error):
                raise
            return self._is_ours(upload)
        except BaseException:
            self._abort(which)
            raise
        return True

    def _send_parts(self, path: Path, which: dict[str, str]) -> Iterator[dict[str, Any]]:
        with path.open("rb") as source:
            number = 1
            while chunk := source.read(TRANSFER_BYTES):
                answer = self._bucket.call("upload_part", **which, PartNumber=number, Body=chunk)
                yield {"PartNumber": number, "ETag": answer["ETag"]}
                number += 1

    def _is_ours(self, upload: NewUpload) -> bool:
        """Whether the upload was completed, and only the response was lost."""
        with suppress(StorageError):
            return bool(self._head(upload.key)["Metadata"].get(UPLOAD_ID) == upload.id)
        return False

    def _abort(self, which: dict[str, str]) -> None:
        """Free the parts. Where that fails, too, a lifecycle rule of the bucket has to."""
        with suppress(StorageError), translate_errors(which["Key"]):
            self._bucket.client.abort_multipart_upload(Bucket=self._bucket.name, **which)

    def _verify(self, key: str, head: dict[str, Any], checksum: Checksum) -> StoredObject:
        stored = _stored_object(key, head)
        if checksum.matches(stored):
            return stored
        with suppress(StorageError):
            self.delete(key)
        raise UploadCorrupted(
            f"{key}: sent {checksum.size_bytes} bytes ({checksum.crc32c}), "
            f"the bucket stored {stored.size_bytes} ({stored.crc32c})"
        )

    def _read_chunks(self, key: str, etag: str, start: int, end: int) -> Iterator[bytes]:
        """Read ranges of one version of the object; each range is retried on its own."""
        while start < end:
            stop = min(start + TRANSFER_BYTES, end)
            chunk = self._read(key, etag, start, stop)
            if len(chunk) != stop - start:
                raise ObjectCorrupted(f"{key}: received {len(chunk)} of {stop - start} bytes")
            yield chunk
            start = stop

    def _read(self, key: str, etag: str, start: int, stop: int) -> bytes:
        def read() -> bytes:
            answer = self._bucket.client.get_object(
                Bucket=self._bucket.name,
                Key=self._bucket.key(key),
                Range=f"bytes={start}-{stop - 1}",
                IfMatch=etag,
            )
            with answer["Body"] as body:
                content: bytes = body.read()
            return content

        try:
            with translate_errors(key):
                return call(self._bucket.retry, read)
        except ObjectExists as error:
            raise ObjectCorrupted(f"{key}: the object was replaced while it was read") from error


def _metadata(upload: NewUpload) -> dict[str, str]:
    return {UPLOAD_ID: upload.id, _CRC32C: upload.checksum.crc32c}


def _stored_object(key: str, head: dict[str, Any]) -> StoredObject:
    return StoredObject(
        key=key,
        size_bytes=head["ContentLength"],
        crc32c=head["Metadata"].get(_CRC32C, ""),
        content_type=head.get("ContentType") or "application/octet-stream",
        created_at=head["LastModified"],
    )
