"""Filling in what a `weights.toml` leaves open, from what its sources say.

A branch becomes the commit that it stands at, `bytes` and `sha256` are asked for, and a pattern is
replaced by the files that it matches. All else of the text stays, comments and order too.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import tomlkit
from pydantic import ValidationError
from tomlkit.items import Comment, Table

from weights.errors import ManifestInvalid, WeightsError
from weights.manifest.manifest import UNKNOWN, Manifest, WeightFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tomlkit import TOMLDocument

    from weights.manifest.manifest import Pattern
    from weights.manifest.remote_metadata import Facts
    from weights.manifest.source_uri import Origin


@dataclass
class Locked:
    """A manifest after it was asked for, and what was found, each a line for people."""

    text: str = ""
    filled: list[str] = field(default_factory=list)
    """What was unknown, and is known now."""
    open: list[str] = field(default_factory=list)
    """What is still unknown, and why."""
    differs: list[str] = field(default_factory=list)
    """Where the manifest says one thing and the source another: the manifest was left alone."""


def lock(
    text: str,
    facts: Callable[[Origin], Facts],
    listing: Callable[[Origin], list[Facts]],
) -> Locked:
    """Fill in the open facts of a manifest.

    `facts` says what a source knows of a file, `listing` of the files that a pattern matches. A
    fact that the manifest has is never changed. Raises `ManifestInvalid`.
    """
    document, found = tomlkit.parse(text), Locked()
    manifest = _read(text)
    for file, table in zip(manifest.files, document.get("files", ()), strict=True):
        if file.unknown:
            _fill(file, table, facts, found)
    _expand(manifest, document, listing, found)
    found.text = tomlkit.dumps(document)
    _read(found.text)
    return found


def write(path: Path, text: str) -> None:
    """Replace a manifest in one step."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fresh.write_text(text, "utf-8")
        fresh.chmod(path.stat().st_mode)
        fresh.replace(path)
    except OSError as error:
        raise WeightsError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        fresh.unlink(missing_ok=True)


def _fill(file: WeightFile, table: Table, facts: Callable[[Origin], Facts], found: Locked) -> None:
    try:
        known = facts(file.source)
    except WeightsError as error:
        found.open.append(f"{file.path}: {', '.join(file.unknown)} ({error})")
        return
    says = {"bytes": known.size_bytes, "sha256": known.sha256}
    has = {"bytes": file.size_bytes, "sha256": file.sha256}
    wrong = [name for name in says if has[name] and says[name] and has[name] != says[name]]
    if wrong:
        found.differs += [
            f"{file.path}: {name} is {has[name]} here, {says[name]} at {file.source}"
            for name in wrong
        ]
        return
    if not file.source.pinned:
        table["source"] = str(known.origin)
    for name, fact in says.items():
        if fact and not has[name]:
            table[name] = _value(fact)
    _note(file, table, found)


def _note(file: WeightFile, table: Table, found: Locked) -> None:
    """Say what the table has now that the file had not."""
    still = WeightFile.model_validate(table.unwrap()).unknown
    filled = [name for name in file.unknown if name not in still]
    if filled:
        found.filled.append(f"{file.path}: {', '.join(filled)}")
    if still:
        found.open.append(f"{file.path}: {', '.join(still)} (its source does not say)")


def _expand(
    manifest: Manifest,
    document: TOMLDocument,
    listing: Callable[[Origin], list[Facts]],
    found: Locked,
) -> None:
    """Put the files in the place of the patterns that match any."""
    for pattern in manifest.patterns:
        try:
            matches = listing(pattern.source)
        except WeightsError as error:
            found.open.append(f"{pattern.source}: the names of its files ({error})")
            continue
        if not matches:
            found.open.append(f"{pattern.source}: the names of its files (none matches)")
            continue
        _replace(pattern, matches, document, found)


def _replace(
    pattern: Pattern, matches: Iterable[Facts], document: TOMLDocument, found: Locked
) -> None:
    if "files" not in document:
        document["files"] = tomlkit.aot()
    files, patterns = document["files"], document["patterns"]
    place = [table["source"] for table in patterns].index(str(pattern.source))
    for known in matches:
        path = f"{pattern.into.rstrip('/')}/{known.origin.path}".lstrip("/")
        taken = {name for table in files if table["path"] == path for name in _profiles(table)}
        profiles = [name for name in pattern.profiles if name not in taken]
        if profiles:
            files.append(_table(pattern, known, path, profiles))
            found.filled.append(f"{path}: found by {pattern.source}")
    for comment in _comments_after(patterns[place]):
        files[-1].add(comment)
    del patterns[place]
    if not patterns:
        del document["patterns"]


def _profiles(table: Table) -> tuple[str, ...]:
    return WeightFile.model_validate(table.unwrap()).profiles


def _table(pattern: Pattern, known: Facts, path: str, profiles: list[str]) -> Table:
    table = tomlkit.table()
    values = {
        "path": path,
        "role": pattern.role,
        "source": str(known.origin),
        "bytes": known.size_bytes or UNKNOWN,
        "sha256": known.sha256 or UNKNOWN,
        "license": pattern.license,
        "profiles": profiles,
        "note": pattern.note,
    }
    for name, value in values.items():
        if value:
            table[name] = _value(value)
    if not pattern.commercial:
        table["commercial"] = False
    table.add(tomlkit.nl())
    return table


def _comments_after(table: Table) -> list[Any]:
    """What stands behind the last value of a table: it speaks of what comes next."""
    behind: list[Any] = []
    for key, value in table.value.body:
        behind = [] if key is not None else [*behind, value]
    while behind and not isinstance(behind[0], Comment):
        behind.pop(0)
    return behind


def _value(fact: str | int | list[str]) -> Any:
    """A value as manifests write it: `4_548_313` for bytes."""
    return tomlkit.integer(f"{fact:_}") if isinstance(fact, int) else tomlkit.item(fact)


def _read(text: str) -> Manifest:
    try:
        return Manifest.model_validate(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise ManifestInvalid(f"not a valid manifest: {error}") from error
