"""Files of a Hugging Face Hub: the Hub tells what a file is, its CDN sends the bytes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from weights.errors import AccessDenied, NotAtSource, WeightsError, WrongContent
from weights.sources.base import Remote
from weights.sources.http_responses import REDIRECTS, refusal, refuse_pages, strong_etag
from weights.sources.ranges import MAX_REDIRECTS, Found, HttpFile, hop, same_host

if TYPE_CHECKING:
    from collections.abc import Mapping

    from weights.manifest.source_uri import Origin
    from weights.sources.http_client import Answer, Connections

_SHA256 = re.compile(r"[0-9a-f]{64}")
_TOLD = ("X-Repo-Commit", "X-Linked-Size", "X-Linked-ETag")


def hub_file(
    origin: Origin, connections: Connections, *, endpoint: str, token: str | None
) -> HttpFile:
    """Make a source of `hf://owner/name@revision/path`. The token goes to the endpoint only.

    Repositories that are kept by xet are read as well: the Hub redirects to a server that gives
    ranges of the whole file.
    """
    hub = _Hub(origin, connections, endpoint.rstrip("/"), token)
    return HttpFile(str(origin), connections, hub.look)


class _Hub:
    def __init__(
        self, origin: Origin, connections: Connections, endpoint: str, token: str | None
    ) -> None:
        self._origin = origin
        self._connections = connections
        self._endpoint = endpoint
        self._token = token

    def look(self) -> Found:
        """Ask the Hub for size, digest and address; large files lie elsewhere, signed for a while.

        What the Hub itself says of a file stands in the answer that redirects to it.
        """
        url = self._address()
        headers: Mapping[str, str] = (
            {"Authorization": f"Bearer {self._token}"} if self._token else {}
        )
        told: dict[str, str] = {}
        for _ in range(MAX_REDIRECTS + 1):
            with self._connections.send("HEAD", url, headers) as answer:
                if answer.status >= 400:
                    raise self._refusal(answer)
                fresh = {name: answer.headers[name] for name in _TOLD if name in answer.headers}
                told = fresh | told
                if answer.status not in REDIRECTS:
                    return self._here(answer, told, headers)
                url, headers = hop(answer, headers)
                if "X-Linked-Size" in told and not same_host(url, answer.url):
                    return Found(self._remote(told, None), url, headers, may_expire=True)
        raise WrongContent(f"{self._origin}: redirects more than {MAX_REDIRECTS} times")

    def _here(self, answer: Answer, told: dict[str, str], headers: Mapping[str, str]) -> Found:
        """The file is at the address that answered."""
        refuse_pages(answer)
        etag = strong_etag(answer.headers.get("ETag"))
        size = answer.headers.get("Content-Length", "")
        remote = self._remote({"X-Linked-Size": size} | told, etag)
        return Found(remote, answer.url, headers, etag=etag)

    def _remote(self, told: dict[str, str], etag: str | None) -> Remote:
        size = told["X-Linked-Size"]
        if not (size.isascii() and size.isdigit()):
            raise WrongContent(f"{self._origin}: the Hub does not say how long it is")
        linked = told.get("X-Linked-ETag", "").strip('"')
        sha256 = linked if _SHA256.fullmatch(linked) else None
        return Remote(int(size), sha256, sha256 or etag or told.get("X-Repo-Commit"))

    def _address(self) -> str:
        origin = self._origin
        revision = quote(origin.revision, safe="")
        return f"{self._endpoint}/{origin.repo}/resolve/{revision}/{quote(origin.path)}"

    def _refusal(self, answer: Answer) -> WeightsError:
        """Say it as the Hub means it, and what can be done."""
        repo, code = self._origin.repo, answer.headers.get("X-Error-Code")
        page = f"{self._endpoint}/{repo}"
        texts = {
            "RepoNotFound": f"{page} does not exist, or is private: then set HF_TOKEN to a token "
            "of somebody who may read it",
            "RevisionNotFound": f"{repo} has no revision {self._origin.revision!r}",
            "EntryNotFound": f"{repo} has no file {self._origin.path!r} at revision "
            f"{self._origin.revision!r}",
        }
        if code in texts:
            return NotAtSource(texts[code])
        if answer.status in {401, 403}:
            return AccessDenied(self._denial(page, gated=code == "GatedRepo"))
        return refusal(answer, str(self._origin))

    def _denial(self, page: str, *, gated: bool) -> str:
        accept = f"accept its terms at {page} with your account"
        if gated and self._token:
            return f"{self._origin.repo} is gated: {accept}, the one whose token HF_TOKEN holds"
        if gated:
            return f"{self._origin.repo} is gated: {accept}, and set HF_TOKEN to a token of it"
        if self._token:
            return f"{page}: the token in HF_TOKEN is not valid, or may not read this repository"
        return f"{page} may be read with a token only: set HF_TOKEN"
