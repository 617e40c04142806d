"""The files on the Hub that a pattern matches. Used by `kinomill models lock`."""

from __future__ import annotations

from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from weights.errors import (
    AccessDenied,
    SourceNotFound,
    SourceUnavailable,
    WeightsError,
)
from weights.sources.source_factory import open_sources

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weights.manifest.remote import RemoteMetadata
    from weights.manifest.source_uri import SourceUri
    from weights.settings import WeightsSettings


def list_files(uri: SourceUri, settings: WeightsSettings) -> list[RemoteMetadata]:
    """Describe the files on the Hub that a pattern matches, sorted by path.

    `*` matches within one path segment, `**` any number of folders. Raises `WeightsError`.
    """
    if uri.scheme != "hf":
        raise WeightsError(f"{uri}: patterns work only with hf:// sources")
    with _hub_errors(uri):
        api, commit = _api(settings), _commit(uri, settings)
        entries = list(api.list_repo_tree(uri.repo, recursive=True, revision=commit))
    paths = [
        str(entry.path)
        for entry in entries
        if hasattr(entry, "blob_id") and _matches(entry.path.split("/"), uri.path.split("/"))
    ]
    with open_sources(settings) as sources:
        return [sources.describe(uri.at(commit, path)) for path in sorted(paths)]


def _api(settings: WeightsSettings) -> Any:
    # imported here: only the CLI and workers have it installed, and it takes half a second
    try:
        from huggingface_hub import HfApi
    except ModuleNotFoundError as error:
        raise WeightsError(
            "file names are listed by the package huggingface_hub, which is missing: "
            "`pip install huggingface_hub`"
        ) from error

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
