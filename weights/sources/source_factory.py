"""Opens the download sources of a file, in the order in which they are tried."""

from __future__ import annotations

from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import unquote, urlsplit

from weights.errors import SourceNotFound, WeightsError
from weights.manifest.source_uri import SourceUri
from weights.sources.description import describe
from weights.sources.folder import FolderSource
from weights.sources.http_client import ConnectionPool
from weights.sources.hub import hub_source
from weights.sources.web import web_source
from weights.trust import Trust

if TYPE_CHECKING:
    from weights.manifest.manifest import WeightFile
    from weights.manifest.remote import RemoteMetadata
    from weights.settings import WeightsSettings
    from weights.sources.base import Source
    from weights.sources.gcs import GcsSources


def open_sources(settings: WeightsSettings) -> SourceFactory:
    """Return a factory with the tokens and URLs of the settings; sends no request yet."""
    return SourceFactory(settings, ConnectionPool(stall_seconds=settings.weights_stall_seconds))


class SourceFactory:
    """Creates sources that share one connection pool. Threads and pulls may use it at once.

    A context manager: its end closes all connections.
    """

    def __init__(self, settings: WeightsSettings, pool: ConnectionPool) -> None:
        self._settings = settings
        self._pool = pool

    def for_file(self, file: WeightFile) -> list[Source]:
        """Return the mirror of the settings, the manifest's source, and its mirrors."""
        uris = [file.source, *file.mirrors]
        if self._settings.weights_mirror and file.sha256:
            mirror = self._settings.weights_mirror.rstrip("/")
            uris.insert(0, SourceUri.parse(f"{mirror}/blobs/{file.sha256}"))
        return [self.for_uri(uri) for uri in uris]

    def for_uri(self, uri: SourceUri) -> Source:
        """Return the source of one URI."""
        parts = urlsplit(uri.text)
        if uri.scheme == "hf":
            token = self._settings.hf_token
            return hub_source(
                uri,
                self._pool,
                endpoint=self._settings.hf_endpoint,
                token=token.get_secret_value() if token else None,
            )
        if uri.scheme == "gs":
            return self._gcs.source(parts.netloc, unquote(parts.path).lstrip("/"))
        if uri.scheme == "file":
            return FolderSource(Path(unquote(parts.path)))
        if uri.scheme == "package":
            return FolderSource(_package_file(parts.netloc, unquote(parts.path)))
        return web_source(uri.text, self._pool)

    def describe(self, uri: SourceUri) -> RemoteMetadata:
        """Request size, digest and commit of a file. Raises `WeightsError`.

        Without TLS nobody knows who answered: then it is refused, unless unverified files are
        allowed. This machine itself may answer without.
        """
        trust = Trust.HUB
        if uri.scheme == "hf" and not _is_private(self._settings.hf_endpoint):
            trust = Trust.UNVERIFIED
            if self._settings.weights_trust is not trust:
                raise WeightsError(
                    f"HF_ENDPOINT is {self._settings.hf_endpoint}: digests are taken from the Hub "
                    "over https only. Use an https address, or accept unverified files by "
                    "KINOMILL_WEIGHTS_TRUST=unverified"
                )
        return describe(uri, self.for_uri(uri), trust)

    def close(self) -> None:
        """Close all connections now. Threads that wait for bytes get an error."""
        self._pool.close()
        if "_gcs" in vars(self):
            self._gcs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @cached_property
    def _gcs(self) -> GcsSources:
        # imported here: Google's client takes most of a second, and most pulls use no bucket
        from weights.sources.gcs import GcsSources, default_client

        return GcsSources(default_client(), self._pool)


def _is_private(endpoint: str) -> bool:
    """Whether nobody on the way can change what the endpoint answers."""
    parts = urlsplit(endpoint)
    return parts.scheme == "https" or parts.hostname in {"127.0.0.1", "::1", "localhost"}


def _package_file(name: str, path: str) -> Path:
    """Return the path of a file that an installed Python package has. Nothing is imported."""
    found = find_spec(name) if name.isidentifier() else None
    folders = list(found.submodule_search_locations or ()) if found else []
    if not folders or ".." in Path(path).parts:
        raise SourceNotFound(f"package://{name}{path}: no such file of an installed package")
    return Path(folders[0]) / path.lstrip("/")
