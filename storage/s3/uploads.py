"""Unfinished uploads to a bucket of S3: its own uploads in parts, each by a signed link."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from storage.base import ObjectNotFound, UploadIncomplete, is_own, require_own
from storage.direct import PART_BYTES, UPLOADS, Instructions, UploadState
from storage.s3.errors import is_lost_upload, translate_errors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime, timedelta

    from storage.base import Storage
    from storage.s3.bucket import Bucket

MAX_PARTS = 1000
"""So that the response with their links stays below half a megabyte, and one list has them all."""

STORE = "s3"


class S3Uploads:
    """An upload in parts for each file, completed before it is read."""

    def __init__(self, storage: Storage, bucket: Bucket) -> None:
        """`storage` reads and deletes the objects of the bucket."""
        self._storage = storage
        self._bucket = bucket

    def start(self, file_id: str, size_bytes: int) -> UploadState:
        """Begin an upload in parts."""
        bucket, key = self._bucket, UPLOADS + file_id
        with translate_errors(key):
            created = bucket.call("create_multipart_upload", Key=bucket.key(key), Metadata={})
        part_bytes = PART_BYTES
        while part_bytes * MAX_PARTS < size_bytes:
            part_bytes *= 2
        return {
            "store": STORE,
            "size_bytes": size_bytes,
            "part_bytes": part_bytes,
            "upload_id": created["UploadId"],
        }

    def instructions(
        self,
        file_id: str,
        state: UploadState,
        *,
        ttl: timedelta,
        now: datetime,
    ) -> Instructions:
        """A signed link for each part."""
        require_own(state, STORE)
        count = -(-state["size_bytes"] // state["part_bytes"])
        seconds = int(ttl.total_seconds())
        with translate_errors(file_id):
            urls = tuple(self._url(file_id, state, part, seconds) for part in range(1, count + 1))
        parts = tuple(part["PartNumber"] for part in self._parts(file_id, state))
        return Instructions("parts", urls, state["part_bytes"], parts)

    def read(self, file_id: str, state: UploadState) -> Iterator[bytes]:
        """Complete the upload, and stream the bytes. Raises `UploadIncomplete`."""
        require_own(state, STORE)
        parts = self._parts(file_id, state)
        if parts:
            size = sum(part["Size"] for part in parts)
            if size != state["size_bytes"]:
                raise UploadIncomplete(f"{size:,} of {state['size_bytes']:,} bytes have arrived")
            self._complete(file_id, state, parts)
        try:
            return self._storage.open(UPLOADS + file_id)
        except ObjectNotFound as error:
            raise UploadIncomplete("no bytes have arrived") from error

    def drop(self, file_id: str, state: UploadState) -> None:
        """Free the parts, and delete the object."""
        if not is_own(state, STORE):
            return
        bucket, key = self._bucket, UPLOADS + file_id
        with suppress(ObjectNotFound), translate_errors(key):
            bucket.call(
                "abort_multipart_upload",
                Key=bucket.key(key),
                UploadId=state["upload_id"],
            )
        self._storage.delete(key)

    def _url(self, file_id: str, state: UploadState, part: int, seconds: int) -> str:
        url: str = self._bucket.client.generate_presigned_url(
            "upload_part",
            Params={
                "Bucket": self._bucket.name,
                "Key": self._bucket.key(UPLOADS + file_id),
                "UploadId": state["upload_id"],
                "PartNumber": part,
            },
            ExpiresIn=seconds,
        )
        return url

    def _parts(self, file_id: str, state: UploadState) -> list[dict[str, Any]]:
        """The parts that have arrived; none once the upload is complete."""
        bucket, key = self._bucket, UPLOADS + file_id
        try:
            with translate_errors(key):
                answer = bucket.call(
                    "list_parts",
                    Key=bucket.key(key),
                    UploadId=state["upload_id"],
                    MaxParts=MAX_PARTS,
                )
        except ObjectNotFound:
            return []
        return list(answer.get("Parts", ()))

    def _complete(self, file_id: str, state: UploadState, parts: list[dict[str, Any]]) -> None:
        bucket, key = self._bucket, UPLOADS + file_id
        listed = [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in parts]
        with translate_errors(key):
            try:
                bucket.call(
                    "complete_multipart_upload",
                    Key=bucket.key(key),
                    UploadId=state["upload_id"],
                    MultipartUpload={"Parts": listed},
                )
            except ClientError as error:
                if not is_lost_upload(error):
                    raise
