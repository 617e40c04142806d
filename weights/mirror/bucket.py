"""A mirror in a bucket of Google Cloud Storage."""

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

from weights.errors import AccessDenied, NotAtSource, SourceUnavailable, WeightsError, WrongContent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from google.api_core.retry import Retry

    from weights.mirror.push import Digest

CHUNK_BYTES = 32 * 1024 * 1024
"""How much of a file is in memory at a time. A multiple of 256 KiB."""

TRIES = 3
"""How often a file that the bucket forgot half-way, or that another push wrote, is begun again."""

_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"


@dataclass(frozen=True)
class BucketMirror:
    """Files by key below `gs://bucket/prefix`. What is seen there is whole and compared."""

    bucket: storage.Bucket
    prefix: str
    retry: Retry = DEFAULT_RETRY

    @classmethod
    def open(cls, bucket: str, prefix: str) -> Self:
        """Use the credentials of this machine. Raises `AccessDenied` without any."""
        try:
            credentials, _ = google.auth.default(scopes=[_SCOPE])
        except auth.DefaultCredentialsError as error:
            raise AccessDenied(
                "no Google credentials: set GOOGLE_APPLICATION_CREDENTIALS to a service-account "
                "key, or run where the machine has an account of its own"
            ) from error
        return cls(storage.Client(project=None, credentials=credentials).bucket(bucket), prefix)

    def put(self, key: str, path: Path, digest: Digest, watch: Callable[[int], None]) -> bool:
        """Upload a file, unless the key holds it already; compare what the bucket says it has.

        Only the generation that was looked at is replaced: of two pushes at once, one looks again.
        """
        name = f"{self.prefix}/{key}" if self.prefix else key
        with _translated(f"gs://{self.bucket.name}/{name}"):
            for attempt in range(TRIES):
                found = self.bucket.get_blob(name, retry=self.retry)
                if found is not None and _is(found, digest):
                    return attempt > 0
                generation = found.generation if found is not None else 0
                if self._send(_Draft(name, path, digest, generation), watch):
                    return True
            raise SourceUnavailable(f"{name}: the bucket lost the upload {TRIES} times")

    def _send(self, draft: _Draft, watch: Callable[[int], None]) -> bool:
        """Upload once. False: it must begin again, from a new look at the bucket."""
        blob = self.bucket.blob(draft.name, chunk_size=CHUNK_BYTES)
        blob.crc32c = draft.digest.crc32c
        try:
            with draft.path.open("rb") as file:
                blob.upload_from_file(
                    _Watched(file, watch),
                    size=draft.digest.size_bytes,
                    content_type="application/octet-stream",
                    if_generation_match=draft.generation,
                    checksum=None,
                    retry=self.retry,
                )
        except (api.GoogleAPICallError, ValueError) as error:
            if _begins_again(error):
                return False
            raise
        if not _is(blob, draft.digest):
            blob.delete(if_generation_match=blob.generation, retry=self.retry)
            raise WrongContent(f"{draft.name}: the bucket holds other bytes; they were removed")
        return True


@dataclass(frozen=True)
class _Draft:
    """A file on its way up, and the generation that it replaces; 0 for none."""

    name: str
    path: Path
    digest: Digest
    generation: int


class _Watched:
    """A file that says how far it is read."""

    def __init__(self, file: BinaryIO, watch: Callable[[int], None]) -> None:
        self._file = file
        self._watch = watch
        self.seek = file.seek
        self.tell = file.tell

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(size)
        self._watch(self._file.tell())
        return piece


def _is(blob: storage.Blob, digest: Digest) -> bool:
    return bool((blob.size, blob.crc32c) == (digest.size_bytes, digest.crc32c))


def _begins_again(error: Exception) -> bool:
    """Whether another push was first, or the bucket forgot the upload half-way.

    Google's client raises `ValueError` when the bucket kept less of a part than was sent.
    """
    if isinstance(error, ValueError):
        return True
    code, response = getattr(error, "code", None), getattr(error, "response", None)
    method = getattr(getattr(response, "request", None), "method", None)
    return code == 412 or (code in {404, 410} and method == "PUT")


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """Turn the errors of Google's client into ours."""
    try:
        yield
    except (api.Unauthorized, api.Forbidden, auth.RefreshError) as error:
        raise AccessDenied(f"{what}: the credentials do not allow it ({error})") from error
    except api.NotFound as error:
        raise NotAtSource(f"{what}: there is no such bucket") from error
    except (api.RetryError, api.ServerError, api.TooManyRequests, auth.TransportError) as error:
        raise SourceUnavailable(f"{what}: {error}") from error
    except (api.GoogleAPIError, auth.GoogleAuthError) as error:
        raise WeightsError(f"{what}: {error}") from error
    except (ConnectionError, requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise SourceUnavailable(f"{what}: {error}") from error
