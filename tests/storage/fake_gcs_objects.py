"""Objects of the fake bucket, kept as files so that its memory use does not grow."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

import google_crc32c

if TYPE_CHECKING:
    from pathlib import Path

_GENERATIONS = itertools.count(1_700_000_000_000_001)


class Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Session:
    """A resumable upload session."""

    folder: Path
    name: str
    crc32c: str | None
    labels: dict[str, str]
    content_type: str
    if_generation: int | None
    total: int = 0
    resource: dict | None = None
    id: str = field(default_factory=lambda: uuid4().hex)

    @property
    def path(self) -> Path:
        return self.folder / self.id

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0


@dataclass
class Stored:
    name: str
    path: Path
    content_type: str
    labels: dict[str, str]
    generation: int = field(default_factory=lambda: next(_GENERATIONS))
    created: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        self.size = self.path.stat().st_size
        self.crc32c, self.md5 = _digests(self.path)

    def resource(self, bucket: str) -> dict:
        stamp = self.created.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return {
            "kind": "storage#object",
            "bucket": bucket,
            "name": self.name,
            "generation": str(self.generation),
            "metageneration": "1",
            "size": str(self.size),
            "contentType": self.content_type,
            "crc32c": self.crc32c,
            "md5Hash": self.md5,
            "metadata": self.labels,
            "timeCreated": stamp,
            "updated": stamp,
        }

    def range_of(self, header: str) -> tuple[int, int]:
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", header)
        if not match:
            raise Refused(501, f"Range {header}")
        first, last = int(match[1]), int(match[2] or self.size - 1)
        if first >= self.size or last < first:
            raise Refused(416, "The requested range cannot be satisfied.")
        return first, min(last, self.size - 1)

    def read(self, first: int, last: int) -> bytes:
        with self.path.open("rb") as file:
            file.seek(first)
            return file.read(last - first + 1)


@dataclass
class Bucket:
    name: str
    folder: Path
    objects: dict[str, Stored] = field(default_factory=dict)

    def check(self, name: str, if_generation: int | None) -> None:
        current = self.objects[name].generation if name in self.objects else 0
        if if_generation is not None and if_generation != current:
            raise Refused(412, "At least one of the pre-conditions you specified did not hold.")

    def add(self, session: Session, *, corrupt: object) -> Stored:
        self.check(session.name, session.if_generation)
        session.path.touch()
        found, _ = _digests(session.path)
        if session.crc32c not in {None, found}:
            wrong = f"Provided CRC32C {session.crc32c!r} doesn't match calculated CRC32C {found!r}."
            raise Refused(400, wrong)
        path = self.folder / uuid4().hex
        shutil.move(session.path, path)
        _corrupt(path, corrupt)
        stored = Stored(session.name, path, session.content_type, session.labels)
        self.objects[session.name] = stored
        return stored


def _corrupt(path: Path, how: object) -> None:
    if how == "truncate":
        with path.open("r+b") as file:
            file.truncate(path.stat().st_size // 2)
    if how == "flip":
        with path.open("r+b") as file:
            first = file.read(1)
            file.seek(0)
            file.write(bytes([first[0] ^ 1]))


def _digests(path: Path) -> tuple[str, str]:
    crc32c, md5 = google_crc32c.Checksum(), hashlib.md5()
    with path.open("rb") as file:
        while piece := file.read(64 * 1024):
            crc32c.update(piece)
            md5.update(piece)
    return base64.b64encode(crc32c.digest()).decode(), base64.b64encode(md5.digest()).decode()
