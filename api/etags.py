"""ETags: a caller that has the current response gets a 304 instead of its bytes."""

from __future__ import annotations

from hashlib import blake2b


def etag_of(body: bytes) -> str:
    """The ETag of a response with this body."""
    return f'"{blake2b(body, digest_size=12).hexdigest()}"'


def is_known(if_none_match: str, etag: str) -> bool:
    """Whether the header lists this ETag, weak or strong (RFC 9110, 13.1.2)."""
    listed = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return bool(listed & {etag, "*"})
