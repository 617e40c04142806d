"""Where a file may lie already: caches of the Hub, other volumes, folders of files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from glob import escape
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from weights.manifest.manifest import WeightFile
    from weights.manifest.source_uri import Origin

RUNPOD_CACHE = Path("/runpod-volume/huggingface-cache/hub")
_CACHES = ("", "hub", "huggingface-cache/hub", ".cache/huggingface/hub")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Place:
    """A file that may be the wanted one."""

    path: Path
    """Free of links."""
    says: str | None = None
    """The sha256 that it should have by what keeps it there."""
    same_origin: bool = False
    """Whether it certainly came from where the wanted file comes from."""


def places_of(file: WeightFile, root: Path, folders: Iterable[Path]) -> Iterator[Place]:
    """Existing files that may be the wanted one, the surest first; `root` is the volume's."""
    seen = {root / "blobs" / file.id}
    for place in _all(file, root, [*folders, root / "hub", RUNPOD_CACHE]):
        path = place.path.resolve()
        if path not in seen and path.is_file():
            seen.add(path)
            says = place.says or (path.name if _SHA256.fullmatch(path.name) else None)
            yield Place(path, says, place.same_origin)


def origin_id(origin: Origin) -> str:
    """The name on a volume of a file whose digest no manifest knew."""
    return "o-" + sha256(str(origin).encode()).hexdigest()


def _all(file: WeightFile, root: Path, folders: list[Path]) -> Iterator[Place]:
    origins = (file.source, *file.mirrors)
    for volume in (root, *folders):
        yield from _on_volume(file, volume)
    caches = [folder / below for folder in folders for below in _CACHES]
    for cache in caches:
        for origin in origins:
            if origin.scheme == "hf":
                yield from _in_cache(origin, cache)
        if file.sha256:
            yield from map(Place, cache.glob(f"models--*/blobs/{file.sha256}"))
    if file.sha256:
        for folder in folders:
            yield from map(Place, _by_name(file, folder))


def _on_volume(file: WeightFile, root: Path) -> Iterator[Place]:
    blobs = root / "blobs"
    if file.sha256:
        yield Place(blobs / file.sha256)
    name = origin_id(file.source)
    says = _first_word(blobs / f"{name}.sha256")
    if says:
        yield Place(blobs / name, says, same_origin=True)


def _in_cache(origin: Origin, cache: Path) -> Iterator[Place]:
    snapshots = cache / f"models--{origin.repo.replace('/', '--')}" / "snapshots"
    pinned = snapshots / origin.revision / origin.path
    yield Place(pinned, same_origin=origin.pinned)
    yield from map(Place, snapshots.glob(f"*/{escape(origin.path)}"))


def _by_name(file: WeightFile, folder: Path) -> Iterator[Path]:
    """Plain files: under the path of the model or of its source, or the name alone, two deep."""
    origin = file.source
    source = origin.path if origin.scheme == "hf" else unquote(urlsplit(origin.uri).path)
    inside = source.lstrip("/")
    if origin.scheme == "hf":
        yield folder / origin.repo / inside
        yield folder / origin.repo.partition("/")[2] / inside
    for path in dict.fromkeys((file.path, inside)):
        yield folder / path
    for name in dict.fromkeys(PurePosixPath(path).name for path in (file.path, inside)):
        for depth in ("", "*/", "*/*/"):
            yield from folder.glob(depth + escape(name))


def _first_word(path: Path) -> str | None:
    try:
        return path.read_text("ascii").split()[0]
    except (OSError, ValueError, IndexError):
        return None
