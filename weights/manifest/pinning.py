"""Pins a `weights.toml`: fills in what it leaves unknown with what the sources report.

A branch becomes its current commit, unknown `bytes` and `sha256` are filled in, and a pattern is
replaced by the files it matches. The rest of the text stays, including comments and order.
"""

from __future__ import annotations

import os
import tomllib
from typing import TYPE_CHECKING, Any

import tomlkit
from pydantic import ValidationError
from tomlkit.items import Comment, Table

from weights.errors import ManifestInvalid, WeightsError
from weights.manifest.manifest import UNKNOWN, Manifest, WeightFile
from weights.manifest.pin_result import PinResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tomlkit import TOMLDocument

    from weights.manifest.manifest import Pattern
    from weights.manifest.remote import RemoteMetadata
    from weights.manifest.source_uri import SourceUri


def pin(
    text: str,
    fetch_metadata: Callable[[SourceUri], RemoteMetadata],
    list_files: Callable[[SourceUri], list[RemoteMetadata]],
) -> PinResult:
    """Fill in the unknown values of a manifest.

    `fetch_metadata` describes one file, `list_files` the files that a pattern matches. Known values
    are never changed. Raises `ManifestInvalid`.
    """
    document, result = tomlkit.parse(text), PinResult()
    manifest = _parse(text)
    for file, table in zip(manifest.files, document.get("files", ()), strict=True):
        if file.unknown_fields:
            _fill(file, table, fetch_metadata, result)
    _expand_patterns(manifest, document, list_files, result)
    result.text = tomlkit.dumps(document)
    _parse(result.text)
    return result


def write_manifest(path: Path, text: str) -> None:
    """Replace a manifest atomically and keep its file mode. Raises `WeightsError`."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, "utf-8")
        temporary.chmod(path.stat().st_mode)
        temporary.replace(path)
    except OSError as error:
        raise WeightsError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _fill(
    file: WeightFile,
    table: Table,
    fetch_metadata: Callable[[SourceUri], RemoteMetadata],
    result: PinResult,
) -> None:
    try:
        remote = fetch_metadata(file.source)
    except WeightsError as error:
        result.unresolved.append(f"{file.path}: {', '.join(file.unknown_fields)} ({error})")
        return
    theirs = {"bytes": remote.size_bytes, "sha256": remote.sha256}
    ours = {"bytes": file.size_bytes, "sha256": file.sha256}
    differing = [
        name for name in ours if ours[name] and theirs[name] and ours[name] != theirs[name]
    ]
    if differing:
        result.conflicts += [
            f"{file.path}: {name} is {ours[name]} here, {theirs[name]} at {file.source}"
            for name in differing
        ]
        return
    if not file.source.pinned:
        table["source"] = str(remote.uri)
    for name, value in theirs.items():
        if value and not ours[name]:
            table[name] = _toml_value(value)
    _record(file, table, result)


def _record(file: WeightFile, table: Table, result: PinResult) -> None:
    """Record which of the file's unknown fields the table has now, and which it lacks."""
    unknown = WeightFile.model_validate(table.unwrap()).unknown_fields
    filled = [name for name in file.unknown_fields if name not in unknown]
    if filled:
        result.filled.append(f"{file.path}: {', '.join(filled)}")
    if unknown:
        result.unresolved.append(f"{file.path}: {', '.join(unknown)} (not reported by its source)")


def _expand_patterns(
    manifest: Manifest,
    document: TOMLDocument,
    list_files: Callable[[SourceUri], list[RemoteMetadata]],
    result: PinResult,
) -> None:
    """Replace each pattern that matches any file by the files."""
    for pattern in manifest.patterns:
        try:
            matches = list_files(pattern.source)
        except WeightsError as error:
            result.unresolved.append(f"{pattern.source}: file names ({error})")
            continue
        if not matches:
            result.unresolved.append(f"{pattern.source}: file names (no file matches)")
            continue
        _replace_pattern(pattern, matches, document, result)


def _replace_pattern(
    pattern: Pattern,
    matches: Iterable[RemoteMetadata],
    document: TOMLDocument,
    result: PinResult,
) -> None:
    if "files" not in document:
        document["files"] = tomlkit.aot()
    files, patterns = document["files"], document["patterns"]
    index = [table["source"] for table in patterns].index(str(pattern.source))
    for remote in matches:
        path = f"{pattern.into.rstrip('/')}/{remote.uri.path}".lstrip("/")
        taken = {name for table in files if table["path"] == path for name in _profiles(table)}
        profiles = [name for name in pattern.profiles if name not in taken]
        if profiles:
            files.append(_file_table(pattern, remote, path, profiles))
            result.filled.append(f"{path}: matched by {pattern.source}")
    for comment in _trailing_comments(patterns[index]):
        files[-1].add(comment)
    del patterns[index]
    if not patterns:
        del document["patterns"]


def _profiles(table: Table) -> tuple[str, ...]:
    return WeightFile.model_validate(table.unwrap()).profiles


def _file_table(pattern: Pattern, remote: RemoteMetadata, path: str, profiles: list[str]) -> Table:
    table = tomlkit.table()
    values = {
        "path": path,
        "role": pattern.role,
        "source": str(remote.uri),
        "bytes": remote.size_bytes or UNKNOWN,
        "sha256": remote.sha256 or UNKNOWN,
        "license": pattern.license,
        "profiles": profiles,
        "note": pattern.note,
    }
    for name, value in values.items():
        if value:
            table[name] = _toml_value(value)
    if pattern.commercial != "yes":
        table["commercial"] = pattern.commercial
    table.add(tomlkit.nl())
    return table


def _trailing_comments(table: Table) -> list[Any]:
    """Return the comments after the last value of a table: they belong to what follows it."""
    trailing: list[Any] = []
    for key, value in table.value.body:
        trailing = [] if key is not None else [*trailing, value]
    while trailing and not isinstance(trailing[0], Comment):
        trailing.pop(0)
    return trailing


def _toml_value(value: str | int | list[str]) -> Any:
    """Return a value in the notation of manifests: `4_548_313` for bytes."""
    return tomlkit.integer(f"{value:_}") if isinstance(value, int) else tomlkit.item(value)


def _parse(text: str) -> Manifest:
    try:
        return Manifest.model_validate(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise ManifestInvalid(f"not a valid manifest: {error}") from error
