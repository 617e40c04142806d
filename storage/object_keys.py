"""Validation of object keys, the same for a directory and a bucket."""

from __future__ import annotations

import re

from storage.base import KeyInvalid

MAX_KEY_BYTES = 512
MAX_PART_BYTES = 200
RECORD_SUFFIX = ".kinomill-record"
"""Of the file in which the local store keeps the metadata of an object, beside it: the same folder,
so that one flush of that folder keeps both names."""
_CONTROLS = re.compile(r"[\x00-\x1f\x7f\\]")


def check_key(key: str) -> str:
    """Return the key when it is valid in every store. Raises `KeyInvalid`."""
    encoded = _encode(key)
    if not encoded or len(encoded) > MAX_KEY_BYTES:
        raise KeyInvalid(f"a key must have 1 to {MAX_KEY_BYTES} bytes; this one has {len(encoded)}")
    if _CONTROLS.search(key):
        raise KeyInvalid("a key must not contain control characters or backslashes")
    for part in key.split("/"):
        _check_part(part)
    return key


def check_prefix(prefix: str) -> str:
    """Return the prefix when a valid key can begin with it. Raises `KeyInvalid`."""
    if prefix:
        check_key(prefix + "x" if prefix.endswith(("/", ".")) else prefix)
    return prefix


def _encode(key: str) -> bytes:
    try:
        return key.encode()
    except UnicodeEncodeError as error:
        raise KeyInvalid("a key must be valid Unicode, without lone surrogates") from error


def _check_part(part: str) -> None:
    if part in {"", ".", ".."}:
        raise KeyInvalid("a key must not contain empty parts, '.' or '..'")
    if len(part.encode()) > MAX_PART_BYTES:
        raise KeyInvalid(f"each part of a key must have at most {MAX_PART_BYTES} bytes")
    if part.endswith(RECORD_SUFFIX):
        raise KeyInvalid(f"no part of a key may end with {RECORD_SUFFIX}: the store writes there")
