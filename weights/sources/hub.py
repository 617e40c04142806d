"""Download source: the Hugging Face Hub describes a file, its CDN sends the bytes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from weights.errors import AccessDenied, SourceNotFound, WeightsError, WrongContent
from weights.sources.base import RemoteFile
from weights.sources.http_responses import REDIRECTS, error_for_status, reject_html, strong_etag
from weights.sources.http_source import (
    MAX_REDIRECTS,
    HttpSource,
    ResolvedFile,
    redirect_target,
    same_origin,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from weights.manifest.source_uri import SourceUri
    from weights.sources.http_client import ConnectionPool, Response

_SHA256 = re.compile(r"[0-9a-f]{64}")
_BLOB_ID = re.compile(r"[0-9a-f]{40}")
_METADATA_HEADERS = ("X-Repo-Commit", "X-Linked-Size", "X-Linked-ETag")


def hub_source(
    uri: SourceUri, pool: ConnectionPool, *, endpoint: str, token: str | None
) -> HttpSource:
    """Return the source of `hf://owner/name@revision/path`. The token goes to the endpoint only.

    Repositories stored in xet work too: the Hub redirects to a server that serves ranges of the
    whole file.
    """
    hub = _HubFile(uri, pool, endpoint.rstrip("/"), token)
    return HttpSource(str(uri), pool, hub.resolve)


class _HubFile:
    def __init__(
        self, uri: SourceUri, pool: ConnectionPool, endpoint: str, token: str | None
    ) -> None:
        self._uri = uri
        self._pool = pool
        self._endpoint = endpoint
        self._token = token

    def resolve(self) -> ResolvedFile:
        """Request size, digest and URL. Large files are elsewhere, at a signed URL that expires.

        The Hub's own metadata is in the headers of the response that redirects there.
        """
        url = self._url()
        headers: Mapping[str, str] = (
            {"Authorization": f"Bearer {self._token}"} if self._token else {}
        )
        metadata: dict[str, str] = {}
        for _ in range(MAX_REDIRECTS + 1):
            with self._pool.send("HEAD", url, headers) as response:
                if response.status >= 400:
                    raise self._error(response)
                metadata = _metadata(response) | metadata
                if response.status not in REDIRECTS:
                    return self._resolved_here(response, metadata, headers)
                url, headers = redirect_target(response, headers)
                if "X-Linked-Size" in metadata and not same_origin(url, response.url):
                    remote = self._remote(metadata, None)
                    return ResolvedFile(remote, url, headers, may_expire=True)
        raise WrongContent(f"{self._uri}: more than {MAX_REDIRECTS} redirects")

    def _resolved_here(
        self, response: Response, metadata: dict[str, str], headers: Mapping[str, str]
    ) -> ResolvedFile:
        """Return the file at the URL that answered without a redirect."""
        reject_html(response)
        etag = strong_etag(response.headers.get("ETag"))
        size = response.headers.get("Content-Length", "")
        remote = self._remote({"X-Linked-Size": size} | metadata, etag)
        return ResolvedFile(remote, response.url, headers, etag=etag)

    def _remote(self, metadata: dict[str, str], etag: str | None) -> RemoteFile:
        size = metadata["X-Linked-Size"]
        if not (size.isascii() and size.isdigit()):
            raise WrongContent(f"{self._uri}: the Hub does not report its size")
        linked = metadata.get("X-Linked-ETag", "").strip('"')
        sha256 = linked if _SHA256.fullmatch(linked) else None
        commit = metadata.get("X-Repo-Commit")
        blob_id = (etag or "").strip('"')
        return RemoteFile(
            int(size),
            sha256,
            sha256 or etag or commit,
            commit=commit,
            blob_id=blob_id if _BLOB_ID.fullmatch(blob_id) else None,
        )

    def _url(self) -> str:
        uri = self._uri
        revision = quote(uri.revision, safe="")
        return f"{self._endpoint}/{uri.repo}/resolve/{revision}/{quote(uri.path)}"

    def _error(self, response: Response) -> WeightsError:
        """Return the error for the Hub's `X-Error-Code`, with what to do."""
        repo, code = self._uri.repo, response.headers.get("X-Error-Code")
        page = f"{self._endpoint}/{repo}"
        messages = {
            "RepoNotFound": f"{page} does not exist or is private; for a private repository set "
            "HF_TOKEN to a token that may read it",
            "RevisionNotFound": f"{repo} has no revision {self._uri.revision!r}",
            "EntryNotFound": f"{repo} has no file {self._uri.path!r} at revision "
            f"{self._uri.revision!r}",
        }
        if code in messages:
            return SourceNotFound(messages[code])
        if response.status in {401, 403}:
            return AccessDenied(self._access_denied(page, gated=code == "GatedRepo"))
        return error_for_status(response, str(self._uri))

    def _access_denied(self, page: str, *, gated: bool) -> str:
        accept = f"accept its terms at {page}"
        if gated and self._token:
            return f"{self._uri.repo} is gated: {accept} with the account of the token in HF_TOKEN"
        if gated:
            return f"{self._uri.repo} is gated: {accept}, and set HF_TOKEN to your token"
        if self._token:
            return f"{page}: the token in HF_TOKEN is invalid or may not read this repository"
        return f"{page} requires a token: set HF_TOKEN"


def _metadata(response: Response) -> dict[str, str]:
    headers = response.headers
    return {name: headers[name] for name in _METADATA_HEADERS if name in headers}
