"""Create the object storage that a URI names: a directory or a bucket."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from storage.local import LocalStorage

if TYPE_CHECKING:
    from storage.base import Storage


def storage_from_uri(
    uri: str, *, public_url: str, secret: bytes, deadline_seconds: float | None = None
) -> Storage:
    """Create the storage of `file:///folder`, `/folder` or `gs://bucket/prefix`.

    `public_url` and `secret` are for the signed links of a directory; a bucket's links are signed
    by Google credentials. Requests to a bucket are retried for `deadline_seconds`, two minutes
    unless given. Raises `ValueError` for any other URI, `StorageDenied` when there are no
    Google credentials.
    """
    parts = urlsplit(uri)
    if parts.scheme == "gs":
        # Importing Google's client takes most of a second: import it only for a bucket.
        from storage.gcs import GcsStorage
        from storage.gcs_access import default_client
        from storage.gcs_errors import RetryConfig

        retry = RetryConfig() if deadline_seconds is None else RetryConfig.within(deadline_seconds)
        return GcsStorage(parts.netloc, parts.path.strip("/"), default_client(), retry=retry)
    return LocalStorage(_folder(uri), public_url=public_url, secret=secret)


def _folder(uri: str) -> Path:
    if "://" not in uri and uri:
        return Path(uri).expanduser().absolute()
    parts = urlsplit(uri)
    if parts.scheme == "file" and not parts.netloc and len(parts.path) > 1:
        return Path(unquote(parts.path))
    raise ValueError(f"storage must be file:///folder, /folder or gs://bucket/prefix, not {uri!r}")
