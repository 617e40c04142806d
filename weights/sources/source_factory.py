"""Which sources a file has, in the order in which they are asked."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from weights.manifest.source_uri import Origin
from weights.sources.folder import FolderFile
from weights.sources.http_client import Connections
from weights.sources.hub import hub_file
from weights.sources.web import web_file

if TYPE_CHECKING:
    from weights.manifest.manifest import WeightFile
    from weights.settings import WeightsSettings
    from weights.sources.base import Source
    from weights.sources.gcs import Buckets


def open_sources(settings: WeightsSettings) -> Sources:
    """Make the sources that the settings tell of; nothing is asked yet."""
    return Sources(settings, Connections(stall_seconds=settings.weights_stall_seconds))


class Sources:
    """All places that weights come from. May be used by several threads and pulls at once."""

    def __init__(self, settings: WeightsSettings, connections: Connections) -> None:
        self._settings = settings
        self._connections = connections

    def of(self, file: WeightFile) -> list[Source]:
        """The mirror of the settings, the source of the manifest, its mirrors."""
        origins = [file.source, *file.mirrors]
        if self._settings.weights_mirror and file.sha256:
            mirror = self._settings.weights_mirror.rstrip("/")
            origins.insert(0, Origin.parse(f"{mirror}/blobs/{file.sha256}"))
        return [self.at(origin) for origin in origins]

    def at(self, origin: Origin) -> Source:
        """The source of one origin."""
        parts = urlsplit(origin.uri)
        if origin.scheme == "hf":
            token = self._settings.hf_token
            return hub_file(
                origin,
                self._connections,
                endpoint=self._settings.hf_endpoint,
                token=token.get_secret_value() if token else None,
            )
        if origin.scheme == "gs":
            return self._buckets.file(parts.netloc, unquote(parts.path).lstrip("/"))
        if origin.scheme == "file":
            return FolderFile(Path(unquote(parts.path)))
        return web_file(origin.uri, self._connections)

    def close(self) -> None:
        """End all connections now: whoever waits for bytes gets an error."""
        self._connections.close()

    @cached_property
    def _buckets(self) -> Buckets:
        # Google's client costs most of a second to import: only who has a bucket pays.
        from weights.sources.gcs import Buckets, machine_client

        return Buckets(machine_client(), self._connections)
