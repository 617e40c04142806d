"""A model's files under their own names, as loaders want them: links into the blobs.

The links of one revision lie in a folder of their own, `models/<model>/.<profile>@<revision>`, and
never change: a worker that loads is not disturbed by one of another release on the same volume.
`models/<model>/<profile>` is a link to the latest, for people.
"""

from __future__ import annotations

import errno
import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from weights.volume import disk

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from weights.manifest.manifest import Selection

_NO_LINKS = {errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


def folder(root: Path, selection: Selection) -> Path:
    """Where the view of exactly these contents lies."""
    return root / "models" / selection.model / f".{selection.profile}@{selection.revision}"


def marker_path(root: Path, selection: Selection) -> Path:
    """Where it is noted what was published last."""
    return root / "models" / selection.model / f"{selection.profile}.json"


def make(root: Path, selection: Selection, blobs: Mapping[str, Path]) -> None:
    """Make the view, or mend it; and the link by which people find it."""
    view = folder(root, selection)
    for path, blob in blobs.items():
        link = view / path
        link.parent.mkdir(parents=True, exist_ok=True)
        if not leads(link, blob):
            _link(link, blob, root / "partial")
    alias = view.with_name(selection.profile)
    if not alias.is_symlink() or str(alias.readlink()) != view.name:
        with suppress(_Refused):
            _symlink(alias, view, root / "partial")


def read_marker(root: Path, selection: Selection) -> dict[str, int] | None:
    """Sizes by path, as published; None when the last published was not exactly this."""
    try:
        said = json.loads(marker_path(root, selection).read_bytes())
        sizes: dict[str, Any] = {file["path"]: file["bytes"] for file in said["files"]}
        fits = said["revision"] == selection.revision
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not fits or any(file.path not in sizes for file in selection.files):
        return None
    wanted = {file.path: file.size_bytes for file in selection.files}
    return {path: sizes[path] if size is None else size for path, size in wanted.items()}


def write_marker(root: Path, selection: Selection, sizes: Mapping[str, int | None]) -> None:
    """Note what the view holds, for `read_marker`."""
    files = [{"path": f.path, "id": f.id, "bytes": sizes[f.path]} for f in selection.files]
    said = {
        "model": selection.model,
        "profile": selection.profile,
        "revision": selection.revision,
        "files": files,
    }
    text = json.dumps(said, indent=1)
    disk.write_whole(marker_path(root, selection), text, scratch=root / "partial")


def leads(link: Path, blob: Path) -> bool:
    """Whether a name of the view is that of the blob."""
    try:
        return link.samefile(blob)
    except OSError:
        return False


def forget(view: Path) -> None:
    """Take away the marker and the link that speak of this view, if they do."""
    profile, _, revision = view.name[1:].rpartition("@")
    marker, alias = view.with_name(f"{profile}.json"), view.with_name(profile)
    with suppress(OSError, ValueError, KeyError, TypeError):
        if json.loads(marker.read_bytes())["revision"] == revision:
            marker.unlink()
    if alias.is_symlink() and str(alias.readlink()) == view.name:
        alias.unlink()


class _Refused(Exception):
    """The file system has no symbolic links."""


def _link(link: Path, blob: Path, scratch: Path) -> None:
    try:
        _symlink(link, blob, scratch)
    except _Refused:
        fresh = scratch / f"{uuid4().hex}.tmp"
        os.link(blob, fresh)
        fresh.replace(link)


def _symlink(link: Path, target: Path, scratch: Path) -> None:
    """Point a link at the target, relatively, in one step."""
    fresh = scratch / f"{uuid4().hex}.tmp"
    try:
        fresh.symlink_to(os.path.relpath(target, link.parent))
    except OSError as error:
        if error.errno in _NO_LINKS:
            raise _Refused from error
        raise
    fresh.replace(link)
