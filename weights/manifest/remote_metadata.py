"""What a source knows of a file without sending it: for `kinomill models lock`."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import sha1, sha256
from typing import TYPE_CHECKING, Any

from weights.errors import AccessDenied, NotAtSource, SourceUnavailable, WeightsError, WrongContent
from weights.sources.source_factory import open_sources

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weights.manifest.source_uri import Origin
    from weights.settings import WeightsSettings

SMALL_BYTES = 32 * 1024 * 1024
"""The Hub knows no sha256 of what git keeps itself: up to this size the file is fetched for it."""


@dataclass(frozen=True)
class Facts:
    """One file as its source describes it."""

    origin: Origin
    """Where it is; of the Hub, at the commit that the revision stands for now."""
    size_bytes: int
    sha256: str | None = None
    commit: str | None = None


def facts(origin: Origin, settings: WeightsSettings) -> Facts:
    """Ask for one file. A web server, a bucket and a folder know its size only.

    Raises `NotAtSource`, `AccessDenied` or `SourceUnavailable`.
    """
    if origin.scheme != "hf":
        remote = open_sources(settings).at(origin).stat()
        return Facts(origin, remote.size_bytes, remote.sha256)
    with _translated(origin):
        api, commit = _api(settings), _commit(origin, settings)
        entries = api.get_paths_info(origin.repo, [origin.path], revision=commit)
    if not entries or not hasattr(entries[0], "blob_id"):
        raise NotAtSource(
            f"{origin.repo} has no file {origin.path!r} at revision {origin.revision!r}"
        )
    return _facts(origin, commit, entries[0], settings)


def listing(origin: Origin, settings: WeightsSettings) -> list[Facts]:
    """Ask for the files of the Hub that a pattern matches, by path.

    `*` stands for a part of one name, `**` for folders at any depth. Raises as `facts`.
    """
    if origin.scheme != "hf":
        raise WeightsError(f"{origin}: only the Hub can list its files")
    with _translated(origin):
        api, commit = _api(settings), _commit(origin, settings)
        entries = list(api.list_repo_tree(origin.repo, recursive=True, revision=commit))
    return [
        _facts(origin, commit, entry, settings)
        for entry in sorted(entries, key=lambda entry: str(entry.path))
        if hasattr(entry, "blob_id") and _matches(entry.path.split("/"), origin.path.split("/"))
    ]


def _api(settings: WeightsSettings) -> Any:
    # imported here: only the CLI and workers have it, and it costs half a second
    from huggingface_hub import HfApi

    token = settings.hf_token
    return HfApi(
        endpoint=settings.hf_endpoint.rstrip("/"),
        token=token.get_secret_value() if token else False,
        library_name="kinomill",
    )


def _commit(origin: Origin, settings: WeightsSettings) -> str:
    if origin.pinned:
        return origin.revision
    return str(_api(settings).repo_info(origin.repo, revision=origin.revision).sha)


def _facts(origin: Origin, commit: str, entry: Any, settings: WeightsSettings) -> Facts:
    pinned = origin.at(commit, entry.path)
    if entry.lfs is not None:
        return Facts(pinned, entry.lfs.size, entry.lfs.sha256, commit)
    digest = _fetched_digest(pinned, entry, settings) if 0 < entry.size <= SMALL_BYTES else None
    return Facts(pinned, entry.size, digest, commit)


def _fetched_digest(origin: Origin, entry: Any, settings: WeightsSettings) -> str:
    """Fetch a small file and hash it, once its name in git proves that it is the right one."""
    content = bytearray(entry.size)
    view, done = memoryview(content), 0
    source = open_sources(settings).at(origin)
    remote = source.stat()
    if remote.size_bytes != entry.size:
        raise WrongContent(f"{origin}: the Hub names two sizes for it")
    with source.open(remote, 0, entry.size) as body:
        while count := body.readinto(view[done:]):
            done += count
    named = sha1(b"blob %d\0" % entry.size + content, usedforsecurity=False).hexdigest()
    if named != entry.blob_id:
        raise WrongContent(f"{origin}: its bytes are not those that git names")
    return sha256(content).hexdigest()


def _matches(names: list[str], pattern: list[str]) -> bool:
    """Compare folder by folder."""
    if not names or not pattern:
        return names == pattern
    if pattern[0] == "**":
        return _matches(names, pattern[1:]) or _matches(names[1:], pattern)
    return fnmatchcase(names[0], pattern[0]) and _matches(names[1:], pattern[1:])


@contextmanager
def _translated(origin: Origin) -> Iterator[None]:
    """Turn the errors of the Hub's client into ours."""
    from httpx2 import HTTPError
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as error:
        raise AccessDenied(
            f"{origin.repo} is gated: accept its terms at its page, and set HF_TOKEN"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise NotAtSource(
            f"{origin.repo} does not exist, or is private: then set HF_TOKEN"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise NotAtSource(f"{origin.repo} has no revision {origin.revision!r}") from error
    except errors.HfHubHTTPError as error:
        raise _of_status(origin, error) from error
    except (HTTPError, OSError) as error:
        raise SourceUnavailable(f"{origin}: {error}") from error


def _of_status(origin: Origin, error: Any) -> WeightsError:
    status = error.response.status_code
    if status in {401, 403}:
        return AccessDenied(f"{origin}: the token in HF_TOKEN is not valid, or does not suffice")
    if status in {408, 429} or status >= 500:
        return SourceUnavailable(f"{origin}: the Hub answers {status}")
    return WeightsError(f"{origin}: the Hub answers {status}")
