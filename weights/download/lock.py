"""Records on a volume what the Hub says about everything that a manifest leaves unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weights.errors import WeightsError, WrongContent
from weights.manifest.pin_result import PinResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from weights.manifest.manifest import Manifest, WeightFile
    from weights.manifest.remote import RemoteMetadata
    from weights.manifest.source_uri import SourceUri
    from weights.volume.volume import Volume


def lock(
    manifest: Manifest,
    volume: Volume,
    describe: Callable[[SourceUri], RemoteMetadata],
    list_files: Callable[[SourceUri], list[RemoteMetadata]],
    *,
    check: bool = False,
) -> PinResult:
    """Record digests, sizes and commits of all profiles; with `check`, only say which.

    `describe` describes one file, `list_files` those that a pattern matches. A branch becomes its
    current commit. What is recorded already is compared with the Hub, and stays.
    """
    locked = _Lock(volume, describe, list_files, check=check)
    for file in {str(f.source): f for f in manifest.files if f.unknown_fields}.values():
        locked.file(file)
    for source in {str(entry.source): entry.source for entry in manifest.patterns}.values():
        locked.pattern(source)
    return locked.result


class _Lock:
    def __init__(
        self,
        volume: Volume,
        describe: Callable[[SourceUri], RemoteMetadata],
        list_files: Callable[[SourceUri], list[RemoteMetadata]],
        *,
        check: bool,
    ) -> None:
        self.result = PinResult()
        self._volume = volume
        self._describe = describe
        self._list_files = list_files
        self._check = check

    def file(self, file: WeightFile) -> None:
        """Record one file, or compare what is recorded."""
        fields = ", ".join(file.unknown_fields)
        try:
            record = self._volume.overlay.read(file.source)
            remote = self._describe(record.files[0].uri if record else file.source)
        except WeightsError as error:
            self.result.unresolved.append(f"{file.path}: {fields} ({error})")
            return
        if remote.sha256 is None:
            self.result.unresolved.append(f"{file.path}: {fields} (not reported by its source)")
            return
        differing = _differing(file, remote)
        if differing:
            self.result.conflicts += differing
        else:
            self._add(file.source, [remote], [f"{file.path}: {fields}"], recorded=bool(record))

    def pattern(self, source: SourceUri) -> None:
        """Record the files that a pattern matches, unless they are."""
        try:
            if self._volume.overlay.read(source):
                return
            found = self._list_files(source)
        except WeightsError as error:
            self.result.unresolved.append(f"{source}: file names ({error})")
            return
        lines = [f"{remote.uri.path}: matched by {source}" for remote in found]
        if found and all(remote.sha256 for remote in found):
            self._add(source, found, lines, recorded=False)
        else:
            reason = "not every sha256 is reported" if found else "no file matches"
            self.result.unresolved.append(f"{source}: file names ({reason})")

    def _add(
        self, source: SourceUri, files: list[RemoteMetadata], lines: list[str], *, recorded: bool
    ) -> None:
        if not recorded:
            self.result.filled += lines
        if self._check and not recorded:
            return
        try:
            self._volume.overlay.add(source, files)
        except WrongContent as error:
            self.result.conflicts.append(str(error))


def _differing(file: WeightFile, remote: RemoteMetadata) -> list[str]:
    pairs = {
        "bytes": (file.size_bytes, remote.size_bytes),
        "sha256": (file.sha256, remote.sha256),
    }
    return [
        f"{file.path}: {name} is {ours} here, {theirs} at {file.source}"
        for name, (ours, theirs) in pairs.items()
        if ours and ours != theirs
    ]
