"""What the stores in buckets have in common: they upload files, and compare what is stored."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from storage.checksums import checksum_file
from storage.object_keys import check_key
from storage.upload import FileUpload, put_one_by_one

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from storage.base import NewObject, Storage, StoredObject
    from storage.checksums import Checksum

TRANSFER_BYTES: Final = 8 * 1024 * 1024
"""Size of one request of an upload or a download, all held in memory. Google wants a multiple of
256 KiB; S3 at least 5 MiB, and at most 10,000 parts: objects of up to 80 GB."""
UPLOAD_ID: Final = "kinomill-upload"
"""Metadata key whose random value identifies our own upload."""


@dataclass(frozen=True)
class NewUpload:
    """A file to upload."""

    key: str
    path: Path
    content_type: str
    checksum: Checksum
    id: str = field(default_factory=lambda: uuid4().hex)


class BucketStorage(ABC):
    """The part of `Storage` that writes objects."""

    def put(self, key: str, path: Path, *, content_type: str) -> StoredObject:
        """Upload a local file if the key is free, and compare the stored size and checksum.

        When the response to our own upload is lost, the retry finds the key taken: the upload id
        in the object's metadata distinguishes that case from another writer's object.
        """
        return self._put(NewUpload(check_key(key), path, content_type, checksum_file(path)))

    def put_all(
        self: Storage, objects: Sequence[NewObject], report: Callable[[int], None]
    ) -> list[StoredObject]:
        """Upload local files one after another; an error deletes those that are stored."""
        return put_one_by_one(self, objects, report)

    def begin(self, key: str, *, scratch: Callable[[], Path]) -> FileUpload:
        """Begin an object as a file in `scratch`, which the commit uploads.

        So an upload that the bucket loses half-way can be sent again.
        """
        check_key(key)
        return FileUpload(
            scratch(),
            lambda file, kind: self._put(NewUpload(key, file.path, kind, file.checksum)),
        )

    @abstractmethod
    def _put(self, upload: NewUpload) -> StoredObject:
        """Upload the file if its key is free. Raises as `Storage.put` does."""
