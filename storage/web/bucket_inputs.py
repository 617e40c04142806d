"""Inputs in buckets that the operator allows, beside those at URLs.

They are read with the credentials of this program. So every account can read what is below an
allowed `gs://bucket/prefix` or `s3://bucket/prefix`, and nothing else in any bucket.
"""

from __future__ import annotations

import hashlib
from contextlib import closing
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from storage.base import ObjectNotFound, StorageDenied, StorageError
from storage.factory import storage_from_uri
from storage.sniffing.media import MediaRejected
from storage.web.fetch import FetchedFile, fetch, timed_out, too_large
from storage.web.input_source import BUCKETS, check_object

if TYPE_CHECKING:
    from pathlib import Path

    from storage.base import Storage
    from storage.web.fetch import OnBytes
    from storage.web.url_policy import UrlPolicy


def fetch_source(
    uri: str,
    dest: Path,
    *,
    policy: UrlPolicy,
    limit_bytes: int,
    on_bytes: OnBytes | None = None,
) -> FetchedFile:
    """Download an input to `dest`, from a bucket or over HTTP. Raises as `fetch` does."""
    if not uri.startswith(BUCKETS):
        return fetch(uri, dest, policy=policy, limit_bytes=limit_bytes, on_bytes=on_bytes)
    bucket, key = check_object(uri, policy)
    try:
        storage = storage_from_uri(
            bucket,
            public_url="",
            secret=b"",
            deadline_seconds=policy.total_seconds,
            s3_endpoint=policy.s3_endpoint,
        )
        with closing(storage):
            return _Copy(storage, policy, on_bytes).save(key, dest, limit_bytes)
    except StorageError as error:
        raise _failed(error, uri) from error


@dataclass
class _Copy:
    """A download from a bucket, within the time of the policy."""

    storage: Storage
    policy: UrlPolicy
    on_bytes: OnBytes | None

    def save(self, key: str, dest: Path, limit_bytes: int) -> FetchedFile:
        """Write the object to `dest`; the file is removed again unless it is complete."""
        end = monotonic() + self.policy.total_seconds
        stored = self.storage.stat(key)
        if stored.size_bytes > limit_bytes:
            raise too_large(limit_bytes)
        done, digest = 0, hashlib.sha256()
        try:
            with dest.open("wb") as file:
                for chunk in self.storage.open(key):
                    done += len(chunk)
                    digest.update(chunk)
                    file.write(chunk)
                    self._check_time(end)
                    if self.on_bytes is not None:
                        self.on_bytes(done, stored.size_bytes)
        except BaseException:
            dest.unlink(missing_ok=True)
            raise
        return FetchedFile(dest, done, digest.hexdigest(), stored.content_type, True)

    def _check_time(self, end: float) -> None:
        if monotonic() > end:
            raise timed_out(self.policy)


def _failed(error: StorageError, uri: str) -> MediaRejected:
    """What the caller may know: nothing of the credentials."""
    if isinstance(error, ObjectNotFound):
        return MediaRejected("fetch_failed", f"there is no object {uri}")
    if isinstance(error, StorageDenied):
        return MediaRejected("fetch_failed", "the server has no access to this object")
    return MediaRejected("fetch_failed", "the object could not be read", retryable=error.retryable)
