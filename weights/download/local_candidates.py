"""Finds local files that may be a wanted file: Hub caches, other volumes, plain folders."""

from __future__ import annotations

import re
from dataclasses import dataclass
from glob import escape
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from weights.manifest.manifest import WeightFile
    from weights.manifest.source_uri import SourceUri

RUNPOD_CACHE = Path("/runpod-volume/huggingface-cache/hub")
_CACHE_FOLDERS = ("", "hub", "huggingface-cache/hub", ".cache/huggingface/hub")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class LocalCandidate:
    """A file that may be the wanted one."""

    path: Path
    """Without symbolic links."""
    claimed_sha256: str | None = None
    """The sha256 that it should have, by its file name or by a record beside it."""
    same_source: bool = False
    """Whether it certainly came from the source of the wanted file."""


def local_candidates(
    file: WeightFile, root: Path, folders: Iterable[Path]
) -> Iterator[LocalCandidate]:
    """Yield existing files that may be the wanted one, best first; `root` is the volume's."""
    seen = {root / "blobs" / file.id}
    for candidate in _all(file, root, [*folders, root / "hub", RUNPOD_CACHE]):
        path = candidate.path.resolve()
        if path not in seen and path.is_file():
            seen.add(path)
            in_name = path.name if _SHA256.fullmatch(path.name) else None
            claimed = candidate.claimed_sha256 or in_name
            yield LocalCandidate(path, claimed, candidate.same_source)


def _all(file: WeightFile, root: Path, folders: list[Path]) -> Iterator[LocalCandidate]:
    uris = (file.source, *file.mirrors)
    for volume in (root, *folders):
        yield from _on_volume(file, volume)
    caches = [folder / below for folder in folders for below in _CACHE_FOLDERS]
    for cache in caches:
        for uri in uris:
            if uri.scheme == "hf":
                yield from _in_hub_cache(uri, cache)
        if file.sha256:
            yield from map(LocalCandidate, cache.glob(f"models--*/blobs/{file.sha256}"))
    if file.sha256:
        for folder in folders:
            yield from map(LocalCandidate, _by_name(file, folder))


def _on_volume(file: WeightFile, root: Path) -> Iterator[LocalCandidate]:
    blobs = root / "blobs"
    if file.sha256:
        yield LocalCandidate(blobs / file.sha256)
    name = file.source.placeholder_id
    claimed = _first_word(blobs / f"{name}.sha256")
    if claimed:
        yield LocalCandidate(blobs / name, claimed, same_source=True)


def _in_hub_cache(uri: SourceUri, cache: Path) -> Iterator[LocalCandidate]:
    snapshots = cache / f"models--{uri.repo.replace('/', '--')}" / "snapshots"
    pinned = snapshots / uri.revision / uri.path
    yield LocalCandidate(pinned, same_source=uri.pinned)
    yield from map(LocalCandidate, snapshots.glob(f"*/{escape(uri.path)}"))


def _by_name(file: WeightFile, folder: Path) -> Iterator[Path]:
    """Yield plain files with the path of the model or source, or its name up to two levels deep."""
    uri = file.source
    path = uri.path if uri.scheme == "hf" else unquote(urlsplit(uri.text).path)
    relative = path.lstrip("/")
    if uri.scheme == "hf":
        yield folder / uri.repo / relative
        yield folder / uri.repo.partition("/")[2] / relative
    for known in dict.fromkeys((file.path, relative)):
        yield folder / known
    for name in dict.fromkeys(PurePosixPath(known).name for known in (file.path, relative)):
        for depth in ("", "*/", "*/*/"):
            yield from folder.glob(depth + escape(name))


def _first_word(path: Path) -> str | None:
    try:
        return path.read_text("ascii").split()[0]
    except (OSError, ValueError, IndexError):
        return None
