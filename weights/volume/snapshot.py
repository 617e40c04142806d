"""A model's files under their own names: links to blobs, in the layout that loaders expect.

The links of one revision are in a folder of their own, `models/<model>/.<profile>@<revision>`, with
a marker beside it, and never change: workers of two releases can share a volume.
`models/<model>/<profile>` is a link to the latest one, for people.
"""

from __future__ import annotations

import errno
import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from weights.errors import VolumeUnusable
from weights.volume import disk

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from weights.manifest.manifest import Selection

_NO_SYMLINKS = {errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


def folder(root: Path, selection: Selection) -> Path:
    """Return the folder of the snapshot with exactly these contents."""
    return root / "models" / selection.model / f".{selection.profile}@{selection.revision}"


def marker_path(root: Path, selection: Selection) -> Path:
    """Return the path of the marker: a JSON file that says what the snapshot contains."""
    return _marker_of(folder(root, selection))


def create(root: Path, selection: Selection, blobs: Mapping[str, Path]) -> None:
    """Create or repair the snapshot and the link to the latest one."""
    snapshot = folder(root, selection)
    for path, blob in blobs.items():
        link = snapshot / path
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.parent.resolve().is_relative_to(snapshot.resolve()):
            raise VolumeUnusable(f"{link.parent} leads out of its folder: delete {snapshot}")
        if not links_to(link, blob):
            _link(link, blob, root / "partial")
    latest = snapshot.with_name(selection.profile)
    if not latest.is_symlink() or str(latest.readlink()) != snapshot.name:
        with suppress(_NoSymlinks):
            _symlink(latest, snapshot, root / "partial")


def read_marker(root: Path, selection: Selection) -> dict[str, int] | None:
    """Return sizes by path as published; None if this snapshot was not."""
    try:
        marker = json.loads(marker_path(root, selection).read_bytes())
        sizes: dict[str, Any] = {file["path"]: file["bytes"] for file in marker["files"]}
        current = marker["revision"] == selection.revision
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not current or any(file.path not in sizes for file in selection.files):
        return None
    known = {file.path: file.size_bytes for file in selection.files}
    return {path: sizes[path] if size is None else size for path, size in known.items()}


def write_marker(root: Path, selection: Selection, sizes: Mapping[str, int | None]) -> None:
    """Write the marker of a complete snapshot, for `read_marker`."""
    files = [{"path": f.path, "id": f.id, "bytes": sizes[f.path]} for f in selection.files]
    marker = {
        "model": selection.model,
        "profile": selection.profile,
        "revision": selection.revision,
        "files": files,
    }
    text = json.dumps(marker, indent=1)
    disk.write_atomic(marker_path(root, selection), text, scratch=root / "partial")


def links_to(link: Path, blob: Path) -> bool:
    """Whether a path of a snapshot is a link to the blob."""
    try:
        return link.samefile(blob)
    except OSError:
        return False


def remove_marker(snapshot: Path) -> None:
    """Remove the marker of a snapshot, and the link to the latest one if it refers to this one."""
    _marker_of(snapshot).unlink(missing_ok=True)
    latest = snapshot.with_name(snapshot.name[1:].rpartition("@")[0])
    if latest.is_symlink() and str(latest.readlink()) == snapshot.name:
        latest.unlink()


def _marker_of(snapshot: Path) -> Path:
    return snapshot.with_name(f"{snapshot.name}.json")


class _NoSymlinks(Exception):
    """The file system does not support symbolic links."""


def _link(link: Path, blob: Path, scratch: Path) -> None:
    try:
        _symlink(link, blob, scratch)
    except _NoSymlinks:
        temporary = scratch / f"{uuid4().hex}.tmp"
        os.link(blob, temporary)
        temporary.replace(link)


def _symlink(link: Path, target: Path, scratch: Path) -> None:
    """Create or replace a relative link atomically."""
    temporary = scratch / f"{uuid4().hex}.tmp"
    try:
        temporary.symlink_to(os.path.relpath(target, link.parent))
    except OSError as error:
        if error.errno in _NO_SYMLINKS:
            raise _NoSymlinks from error
        raise
    temporary.replace(link)
