"""A mirror in a Google Cloud Storage bucket."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Self

import google.auth
import requests
import urllib3
from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.cloud import storage
from google.cloud.storage.retry import DEFAULT_RETRY

from weights.errors import (
    AccessDenied,
    SourceNotFound,
    SourceUnavailable,
    WeightsError,
    WrongContent,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from google.api_core.retry import Retry

    from weights.mirror.base import FileChecksums

CHUNK_BYTES = 32 * 1024 * 1024
"""Bytes of a file in memory at a time. Must be a multiple of 256 KiB."""

MAX_UPLOAD_ATTEMPTS = 3
"""Attempts for one file when the bucket loses the upload session or another push writes the key."""

_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"


@dataclass(frozen=True)
class GcsMirror:
    """Files by key below `gs://bucket/prefix`. Only whole, compared objects become visible."""

    bucket: storage.Bucket
    prefix: str
    retry: Retry = DEFAULT_RETRY

    @classmethod
    def open(cls, bucket: str, prefix: str) -> Self:
        """Use this machine's credentials. Raises `AccessDenied` if it has none."""
        try:
            credentials, _ = google.auth.default(scopes=[_SCOPE])
        except auth.DefaultCredentialsError as error:
            raise AccessDenied(
                "no Google credentials: set GOOGLE_APPLICATION_CREDENTIALS to a service-account "
                "key file, or run on a machine that has a service account"
            ) from error
        return cls(storage.Client(project=None, credentials=credentials).bucket(bucket), prefix)

    def put(
        self, key: str, path: Path, checksums: FileChecksums, on_bytes: Callable[[int], None]
    ) -> bool:
        """Upload a file unless the key already holds it; compare the bucket's checksum after.

        Only the generation that was read is replaced: of two concurrent pushes, one starts over.
        """
        name = f"{self.prefix}/{key}" if self.prefix else key
        with _translated(f"gs://{self.bucket.name}/{name}"):
            for attempt in range(MAX_UPLOAD_ATTEMPTS):
                found = self.bucket.get_blob(name, retry=self.retry)
                if found is not None and _matches(found, checksums):
                    return attempt > 0
                generation = found.generation if found is not None else 0
                if self._upload(_Upload(name, path, checksums, generation), on_bytes):
                    return True
            raise SourceUnavailable(
                f"{name}: the bucket lost the upload {MAX_UPLOAD_ATTEMPTS} times; push again later"
            )

    def _upload(self, upload: _Upload, on_bytes: Callable[[int], None]) -> bool:
        """Upload once. False: start over, beginning with a new read of the object's metadata."""
        blob = self.bucket.blob(upload.name, chunk_size=CHUNK_BYTES)
        blob.crc32c = upload.checksums.crc32c
        try:
            with upload.path.open("rb") as file:
                blob.upload_from_file(
                    _ProgressReader(file, on_bytes),
                    size=upload.checksums.size_bytes,
                    content_type="application/octet-stream",
                    if_generation_match=upload.generation,
                    checksum=None,
                    retry=self.retry,
                )
        except (api.GoogleAPICallError, ValueError) as error:
            if _must_start_over(error):
                return False
            raise
        if not _matches(blob, upload.checksums):
            blob.delete(if_generation_match=blob.generation, retry=self.retry)
            raise WrongContent(
                f"{upload.name}: the bucket received other bytes; the object was removed"
            )
        return True


@dataclass(frozen=True)
class _Upload:
    """One upload of a file."""

    name: str
    path: Path
    checksums: FileChecksums
    generation: int
    """The generation that it replaces; 0 if the object must not exist."""


class _ProgressReader:
    """A file that reports its position after every read."""

    def __init__(self, file: BinaryIO, on_bytes: Callable[[int], None]) -> None:
        self._file = file
        self._on_bytes = on_bytes
        self.seek = file.seek
        self.tell = file.tell

    def read(self, size: int = -1) -> bytes:
        chunk = self._file.read(size)
        self._on_bytes(self._file.tell())
        return chunk


def _matches(blob: storage.Blob, checksums: FileChecksums) -> bool:
    return bool((blob.size, blob.crc32c) == (checksums.size_bytes, checksums.crc32c))


def _must_start_over(error: Exception) -> bool:
    """Whether another push wrote the key first, or the bucket lost the upload session.

    Google's client raises `ValueError` when the bucket kept less of a chunk than was sent.
    """
    if isinstance(error, ValueError):
        return True
    code, response = getattr(error, "code", None), getattr(error, "response", None)
    method = getattr(getattr(response, "request", None), "method", None)
    return code == 412 or (code in {404, 410} and method == "PUT")


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """Convert the errors of Google's client to `WeightsError`s."""
    try:
        yield
    except (api.Unauthorized, api.Forbidden, auth.RefreshError) as error:
        raise AccessDenied(
            f"{what}: the credentials have no permission to write here ({error})"
        ) from error
    except api.NotFound as error:
        raise SourceNotFound(f"{what}: the bucket does not exist") from error
    except (api.RetryError, api.ServerError, api.TooManyRequests, auth.TransportError) as error:
        raise SourceUnavailable(f"{what}: {error}") from error
    except (api.GoogleAPIError, auth.GoogleAuthError) as error:
        raise WeightsError(f"{what}: {error}") from error
    except (ConnectionError, requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise SourceUnavailable(f"{what}: {error}") from error
