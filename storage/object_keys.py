"""What a key may look like, in a directory and in a bucket alike."""

from __future__ import annotations

import re

from storage.base import KeyInvalid

LONGEST_KEY_BYTES = 512
LONGEST_PART_BYTES = 200
_CONTROLS = re.compile(r"[\x00-\x1f\x7f\\]")


def check_key(key: str) -> str:
    """Return the key when it is safe everywhere, else raise `KeyInvalid`."""
    encoded = _encode(key)
    if not encoded or len(encoded) > LONGEST_KEY_BYTES:
        raise KeyInvalid(f"a key has 1 to {LONGEST_KEY_BYTES} bytes, this one {len(encoded)}")
    if _CONTROLS.search(key):
        raise KeyInvalid("a key holds no control characters and no backslash")
    for part in key.split("/"):
        _check_part(part)
    return key


def check_prefix(prefix: str) -> str:
    """Return the prefix when a valid key could begin with it, else raise `KeyInvalid`."""
    if prefix:
        check_key(prefix + "x" if prefix.endswith(("/", ".")) else prefix)
    return prefix


def _encode(key: str) -> bytes:
    try:
        return key.encode()
    except UnicodeEncodeError as error:
        raise KeyInvalid("a key is valid Unicode, without lone surrogates") from error


def _check_part(part: str) -> None:
    if part in {"", ".", ".."}:
        raise KeyInvalid("a key has no empty part, no '.' and no '..'")
    if len(part.encode()) > LONGEST_PART_BYTES:
        raise KeyInvalid(f"each part of a key has at most {LONGEST_PART_BYTES} bytes")
