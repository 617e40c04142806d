"""What a source says about a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from weights.trust import Trust

if TYPE_CHECKING:
    from weights.manifest.source_uri import SourceUri


@dataclass(frozen=True)
class RemoteMetadata:
    """One file as its source describes it."""

    uri: SourceUri
    """Its URI; on the Hub, at the commit that the revision currently points to."""
    size_bytes: int
    sha256: str | None = None
    commit: str | None = None
    trust: Trust = Trust.HUB
    """Unverified if the description did not come over TLS."""
