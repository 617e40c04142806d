"""Create the object storage that a URI names: a directory or a bucket."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from storage.local.store import LocalStorage
from storage.retry import RetryConfig

if TYPE_CHECKING:
    from storage.base import Storage


def storage_from_uri(
    uri: str,
    *,
    public_url: str,
    secret: bytes,
    deadline_seconds: float | None = None,
    s3_endpoint: str | None = None,
) -> Storage:
    """Create the storage of `file:///folder`, `/folder`, `gs://bucket/…` or `s3://bucket/…`.

    `public_url` and `secret` are for the signed links of a directory; a bucket's links are signed
    by its own credentials. Requests to a bucket are retried for `deadline_seconds`, two minutes
    unless given. `s3_endpoint` is the address of a store that speaks S3, Amazon's unless given.
    Raises `ValueError` for any other URI, `StorageDenied` when there are no credentials.
    """
    parts = urlsplit(uri)
    prefix = parts.path.strip("/")
    retry = RetryConfig() if deadline_seconds is None else RetryConfig.within(deadline_seconds)
    # Importing Google's client takes most of a second, botocore a tenth: only for a bucket.
    if parts.scheme == "gs":
        from storage.gcs.access import default_client
        from storage.gcs.store import GcsStorage

        return GcsStorage(parts.netloc, prefix, default_client(), retry=retry)
    if parts.scheme == "s3":
        from storage.s3.access import create_client

        client = create_client(s3_endpoint, retry)
        from storage.s3.store import S3Storage

        return S3Storage(parts.netloc, prefix, client, retry=retry)
    return LocalStorage(_folder(uri), public_url=public_url, secret=secret)


def _folder(uri: str) -> Path:
    if "://" not in uri and uri:
        return Path(uri).expanduser().absolute()
    parts = urlsplit(uri)
    if parts.scheme == "file" and not parts.netloc and len(parts.path) > 1:
        return Path(unquote(parts.path))
    raise ValueError(
        "storage must be /folder, file:///folder, gs://bucket/prefix or s3://bucket/prefix, "
        f"not {uri!r}"
    )
