"""Describes a file on the Hub: size, sha256 and commit, without downloading a large one."""

from __future__ import annotations

from hashlib import sha1, sha256
from typing import TYPE_CHECKING

from weights.errors import WrongContent
from weights.manifest.remote import RemoteMetadata

if TYPE_CHECKING:
    from weights.manifest.source_uri import SourceUri
    from weights.sources.base import RemoteFile, Source
    from weights.trust import Trust

SMALL_BYTES = 32 * 1024 * 1024
"""The Hub reports no sha256 of files outside LFS; up to this size they are downloaded for it."""


def describe(uri: SourceUri, source: Source, trust: Trust) -> RemoteMetadata:
    """Describe one file. `trust` is that of the connection to the Hub.

    Web servers, buckets and folders report only the size. Raises `WeightsError`.
    """
    remote = source.stat()
    if uri.scheme != "hf":
        return RemoteMetadata(uri, remote.size_bytes, remote.sha256, trust=trust)
    commit = remote.commit or uri.revision
    if uri.pinned and commit != uri.revision:
        raise WrongContent(f"{uri}: the Hub answered with another commit, {commit}")
    digest = remote.sha256
    if digest is None and 0 < remote.size_bytes <= SMALL_BYTES:
        digest = _downloaded_digest(uri, source, remote)
    return RemoteMetadata(uri.at(commit), remote.size_bytes, digest, commit, trust)


def _downloaded_digest(uri: SourceUri, source: Source, remote: RemoteFile) -> str:
    """Download a small file, check it against its git blob id, and return its sha256."""
    content = bytearray(remote.size_bytes)
    view, done = memoryview(content), 0
    with source.open(remote, 0, remote.size_bytes) as body:
        while count := body.readinto(view[done:]):
            done += count
    blob_id = sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    if remote.blob_id not in {None, blob_id}:
        raise WrongContent(f"{uri}: the bytes do not match the git blob id {remote.blob_id}")
    return sha256(content).hexdigest()
