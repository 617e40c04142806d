"""The files that pages load: style, script, icon, and what is vendored. All from this server."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "static"
PATH = "/static"
_COMPRESSED = {".css", ".js", ".svg"}
_LEAST_BYTES = 500


@dataclass(frozen=True)
class Asset:
    """A file as it is sent; `zipped` is None where compression does not help."""

    content: bytes
    media_type: str
    zipped: bytes | None


@cache
def version() -> str:
    """Digest of all files: a part of their URLs, so that browsers may keep them for ever."""
    digest = hashlib.sha256()
    for path in sorted(FOLDER.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(FOLDER).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


@cache
def find(name: str) -> Asset | None:
    """The file of this name; None if there is none. Each is read and compressed once."""
    path = _files().get(name)
    if path is None:
        return None
    content, kind = path.read_bytes(), mimetypes.guess_type(path.name)[0]
    worth = path.suffix in _COMPRESSED and len(content) > _LEAST_BYTES
    zipped = gzip.compress(content, 9, mtime=0) if worth else None
    return Asset(content, kind or "application/octet-stream", zipped)


@cache
def _files() -> dict[str, Path]:
    """The files by their names: a name in a request is looked up, and never opened as a path."""
    found = (path for path in FOLDER.rglob("*") if path.is_file())
    return {path.relative_to(FOLDER).as_posix(): path for path in found}
