"""The store that a setting names: a directory or a bucket."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from storage.local import LocalStorage

if TYPE_CHECKING:
    from storage.base import Storage


def storage_from_uri(uri: str, *, public_url: str, secret: bytes) -> Storage:
    """Open `file:///folder`, `/folder` or `gs://bucket/prefix`.

    `public_url` and `secret` make the links of a directory; a bucket signs its own. Raises
    `ValueError` for any other scheme, `StorageDenied` when a bucket has no credentials.
    """
    parts = urlsplit(uri)
    if parts.scheme == "gs":
        # Google's client costs most of a second to import: only who has a bucket pays.
        from storage.gcs import GcsStorage
        from storage.gcs_access import default_client

        return GcsStorage(parts.netloc, parts.path.strip("/"), default_client())
    return LocalStorage(_folder(uri), public_url=public_url, secret=secret)


def _folder(uri: str) -> Path:
    if "://" not in uri and uri:
        return Path(uri).expanduser().absolute()
    parts = urlsplit(uri)
    if parts.scheme == "file" and not parts.netloc and len(parts.path) > 1:
        return Path(unquote(parts.path))
    raise ValueError(f"storage is file:///folder, /folder or gs://bucket/prefix, not {uri!r}")
