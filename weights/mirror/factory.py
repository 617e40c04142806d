"""Opens the mirror that a URI names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from weights.errors import WeightsError
from weights.mirror.folder import FolderMirror

if TYPE_CHECKING:
    from weights.mirror.base import Mirror


def open_mirror(uri: str) -> Mirror:
    """Open `gs://bucket/prefix` or `file:///folder`. Raises `WeightsError` for anything else."""
    parts = urlsplit(uri)
    if parts.scheme == "gs" and parts.netloc:
        # imported here: Google's client takes most of a second, and folders do not need it
        from weights.mirror.gcs import GcsMirror

        return GcsMirror.open(parts.netloc, unquote(parts.path).strip("/"))
    if parts.scheme == "file" and not parts.netloc and len(parts.path) > 1:
        return FolderMirror(Path(unquote(parts.path)))
    raise WeightsError(f"a mirror must be gs://bucket/prefix or file:///folder, not {uri!r}")
