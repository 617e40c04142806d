"""Records of objects: size, checksums, type and time, as JSON."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from storage.base import ObjectCorrupted, StoredObject

if TYPE_CHECKING:
    from storage.checksums import Checksum

_FIELDS: Final = frozenset(field.name for field in fields(StoredObject))
"""What is read of a record: a newer release, which shares the folder, may note more."""


def stored_now(key: str, checksum: Checksum, content_type: str, sha256: str | None) -> StoredObject:
    """The record of an object that is stored at this moment."""
    return StoredObject(
        key=key,
        size_bytes=checksum.size_bytes,
        crc32c=checksum.crc32c,
        content_type=content_type,
        created_at=datetime.now(UTC),
        sha256=sha256,
    )


def as_record(stored: StoredObject) -> bytes:
    """The record as JSON."""
    return json.dumps(vars(stored) | {"created_at": stored.created_at.isoformat()}).encode()


def from_record(text: bytes, key: str) -> StoredObject:
    """Read a record. Raises `ObjectCorrupted`."""
    try:
        noted: dict[str, Any] = json.loads(text)
        known = {name: value for name, value in noted.items() if name in _FIELDS}
        created_at = datetime.fromisoformat(noted["created_at"])
        return StoredObject(**known | {"created_at": created_at})
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ObjectCorrupted(f"{key}: the record of the object is damaged") from error
