"""Sizes, digests and commits of files at their sources, without downloading the weights.

Used by `kinomill models lock`.
"""

from __future__ import annotations

from contextlib import contextmanager
from fnmatch import fnmatchcase
from hashlib import sha1, sha256
from typing import TYPE_CHECKING, Any

from weights.errors import (
    AccessDenied,
    SourceNotFound,
    SourceUnavailable,
    WeightsError,
    WrongContent,
)
from weights.manifest.pinning import RemoteMetadata
from weights.sources.source_factory import open_sources

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weights.manifest.source_uri import SourceUri
    from weights.settings import WeightsSettings

SMALL_BYTES = 32 * 1024 * 1024
"""The Hub reports no sha256 of files outside LFS; up to this size they are downloaded for it."""


def fetch_metadata(uri: SourceUri, settings: WeightsSettings) -> RemoteMetadata:
    """Describe one file. Web servers, buckets and folders report only its size.

    Raises `SourceNotFound`, `AccessDenied` or `SourceUnavailable`.
    """
    if uri.scheme != "hf":
        remote = open_sources(settings).for_uri(uri).stat()
        return RemoteMetadata(uri, remote.size_bytes, remote.sha256)
    with _hub_errors(uri):
        api, commit = _api(settings), _commit(uri, settings)
        entries = api.get_paths_info(uri.repo, [uri.path], revision=commit)
    if not entries or not hasattr(entries[0], "blob_id"):
        raise SourceNotFound(f"{uri.repo} has no file {uri.path!r} at revision {uri.revision!r}")
    return _metadata(uri, commit, entries[0], settings)


def list_files(uri: SourceUri, settings: WeightsSettings) -> list[RemoteMetadata]:
    """Describe the files on the Hub that a pattern matches, sorted by path.

    `*` matches within one path segment, `**` any number of folders. Raises like `fetch_metadata`.
    """
    if uri.scheme != "hf":
        raise WeightsError(f"{uri}: patterns work only with hf:// sources")
    with _hub_errors(uri):
        api, commit = _api(settings), _commit(uri, settings)
        entries = list(api.list_repo_tree(uri.repo, recursive=True, revision=commit))
    return [
        _metadata(uri, commit, entry, settings)
        for entry in sorted(entries, key=lambda entry: str(entry.path))
        if hasattr(entry, "blob_id") and _matches(entry.path.split("/"), uri.path.split("/"))
    ]


def _api(settings: WeightsSettings) -> Any:
    # imported here: only the CLI and workers have it installed, and it takes half a second
    from huggingface_hub import HfApi

    token = settings.hf_token
    return HfApi(
        endpoint=settings.hf_endpoint.rstrip("/"),
        token=token.get_secret_value() if token else False,
        library_name="kinomill",
    )


def _commit(uri: SourceUri, settings: WeightsSettings) -> str:
    if uri.pinned:
        return uri.revision
    return str(_api(settings).repo_info(uri.repo, revision=uri.revision).sha)


def _metadata(uri: SourceUri, commit: str, entry: Any, settings: WeightsSettings) -> RemoteMetadata:
    pinned = uri.at(commit, entry.path)
    if entry.lfs is not None:
        return RemoteMetadata(pinned, entry.lfs.size, entry.lfs.sha256, commit)
    digest = _downloaded_digest(pinned, entry, settings) if 0 < entry.size <= SMALL_BYTES else None
    return RemoteMetadata(pinned, entry.size, digest, commit)


def _downloaded_digest(uri: SourceUri, entry: Any, settings: WeightsSettings) -> str:
    """Download a small file, check it against its git blob id, and return its sha256."""
    content = bytearray(entry.size)
    view, done = memoryview(content), 0
    source = open_sources(settings).for_uri(uri)
    remote = source.stat()
    if remote.size_bytes != entry.size:
        raise WrongContent(f"{uri}: the Hub reports two different sizes")
    with source.open(remote, 0, entry.size) as body:
        while count := body.readinto(view[done:]):
            done += count
    blob_id = sha1(b"blob %d\0" % entry.size + content, usedforsecurity=False).hexdigest()
    if blob_id != entry.blob_id:
        raise WrongContent(f"{uri}: the bytes do not match the git blob id")
    return sha256(content).hexdigest()


def _matches(names: list[str], pattern: list[str]) -> bool:
    """Match a path against a pattern, segment by segment."""
    if not names or not pattern:
        return names == pattern
    if pattern[0] == "**":
        return _matches(names, pattern[1:]) or _matches(names[1:], pattern)
    return fnmatchcase(names[0], pattern[0]) and _matches(names[1:], pattern[1:])


@contextmanager
def _hub_errors(uri: SourceUri) -> Iterator[None]:
    """Convert the errors of huggingface_hub to `WeightsError`s."""
    from httpx2 import HTTPError
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as error:
        raise AccessDenied(
            f"{uri.repo} is gated: accept its terms on its page, and set HF_TOKEN"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise SourceNotFound(
            f"{uri.repo} does not exist or is private; for a private repository set HF_TOKEN"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise SourceNotFound(f"{uri.repo} has no revision {uri.revision!r}") from error
    except errors.HfHubHTTPError as error:
        raise _error_for_status(uri, error) from error
    except (HTTPError, OSError) as error:
        raise SourceUnavailable(f"{uri}: {error}") from error


def _error_for_status(uri: SourceUri, error: Any) -> WeightsError:
    status = error.response.status_code
    if status in {401, 403}:
        return AccessDenied(f"{uri}: the token in HF_TOKEN is invalid or lacks permission")
    if status in {408, 429} or status >= 500:
        return SourceUnavailable(f"{uri}: the Hub responded with status {status}")
    return WeightsError(f"{uri}: the Hub responded with status {status}")
