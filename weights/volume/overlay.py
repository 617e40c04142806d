"""The overlay of a volume: sizes, digests and commits that manifests leave unknown.

overlay/<id of the source>.json    what the Hub said about one source, at the first pull or `lock`

A manifest may be read-only, as in an image, and lists no digest where none is published. What the
Hub reports is therefore recorded here once, and compared ever after; a record is never replaced.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from weights.errors import VolumeUnusable, WrongContent
from weights.manifest.manifest import WeightFile
from weights.manifest.remote import RemoteMetadata
from weights.manifest.source_uri import SourceUri
from weights.trust import Trust
from weights.volume import disk

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from weights.manifest.manifest import Pattern, Selection

FOLDER = "overlay"


@dataclass(frozen=True)
class Record:
    """What was recorded about a source: one file, or those that a pattern matched."""

    path: Path
    files: tuple[RemoteMetadata, ...]
    recorded_at: str
    """The day, for people."""


@dataclass(frozen=True)
class Overlay:
    """The records on the volume in the folder `root`."""

    root: Path

    def read(self, source: SourceUri) -> Record | None:
        """Return the record of a source. Raises `VolumeUnusable` for a damaged one."""
        path = self._path(source)
        with disk.disk_errors(self.root):
            try:
                text = path.read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None
        try:
            return _parsed(path, json.loads(text))
        except (ValueError, KeyError, TypeError) as error:
            raise VolumeUnusable(
                f"{path} is damaged: delete it, and the next pull records the Hub's values again"
            ) from error

    def add(self, source: SourceUri, files: Sequence[RemoteMetadata]) -> Record:
        """Record what the Hub says about a source, unless there is a record.

        Raises `WrongContent` if the record says something else.
        """
        known = self.read(source)
        if known is None:
            self._write(source, files)
            known = self.read(source)
        if known is None:
            raise VolumeUnusable(f"{self._path(source)} cannot be read")
        for file in files:
            known_file = next((each for each in known.files if each.uri == file.uri), None)
            if known_file is not None:
                _require_equal(file, known_file, known)
        return known

    def apply(self, selection: Selection) -> Selection:
        """Return the selection with what is recorded about its files and patterns."""
        files = [self._file(file) for file in selection.files]
        patterns = []
        for pattern in selection.patterns:
            record = self.read(pattern.source)
            if record is None:
                patterns.append(pattern)
            else:
                files += _matched(pattern, record, {file.path for file in files})
        return selection.model_copy(update={"files": tuple(files), "patterns": tuple(patterns)})

    def record_of(self, file: WeightFile) -> Record | None:
        """Return the record that a file of an applied selection got its digest from."""
        return self.read(file.recorded_from) if file.recorded_from else None

    def _file(self, file: WeightFile) -> WeightFile:
        if file.sha256 and file.source.pinned:
            return file
        record = self.read(file.source)
        return file if record is None else file.recorded(file.source, record.files[0])

    def _write(self, source: SourceUri, files: Iterable[RemoteMetadata]) -> None:
        entries = [
            {"source": str(f.uri), "bytes": f.size_bytes, "sha256": f.sha256, "trust": f.trust}
            for f in files
        ]
        today = datetime.now(UTC).date().isoformat()
        text = json.dumps({"source": str(source), "recorded": today, "files": entries}, indent=1)
        with disk.disk_errors(self.root):
            self._path(source).parent.mkdir(exist_ok=True)
            disk.write_atomic(self._path(source), text + "\n", scratch=self.root / "partial")

    def _path(self, source: SourceUri) -> Path:
        return self.root / FOLDER / f"{source.placeholder_id}.json"


def _parsed(path: Path, content: dict[str, Any]) -> Record:
    files = tuple(
        RemoteMetadata(
            SourceUri.parse(entry["source"]),
            int(entry["bytes"]),
            entry["sha256"],
            trust=Trust(entry["trust"]),
        )
        for entry in content["files"]
    )
    if not files:
        raise ValueError("no file is recorded")
    return Record(path, files, str(content["recorded"]))


def _require_equal(now: RemoteMetadata, then: RemoteMetadata, record: Record) -> None:
    if (now.size_bytes, now.sha256) != (then.size_bytes, then.sha256):
        raise WrongContent(
            f"{now.uri}: the Hub says sha256 {now.sha256} and {now.size_bytes} bytes, but on "
            f"{record.recorded_at} it said {then.sha256} and {then.size_bytes} bytes. The content "
            "of a commit never changes: ask the owner of the repository. To accept the new bytes, "
            f"delete {record.path}"
        )


def _matched(pattern: Pattern, record: Record, taken: set[str]) -> Iterator[WeightFile]:
    """Yield the files that a pattern matched, except those that the manifest lists itself."""
    for remote in record.files:
        path = f"{pattern.into.rstrip('/')}/{remote.uri.path}".lstrip("/")
        if path not in taken:
            file = WeightFile.model_validate(
                {
                    "path": path,
                    "role": pattern.role,
                    "source": remote.uri,
                    "bytes": remote.size_bytes,
                    "sha256": None,
                    "license": pattern.license,
                    "commercial": pattern.commercial,
                    "profiles": pattern.profiles,
                    "note": pattern.note,
                }
            )
            yield file.recorded(pattern.source, remote)
