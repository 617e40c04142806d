"""How much the bytes of a file can be trusted: three levels, by where its digest comes from."""

from __future__ import annotations

from enum import StrEnum


class Trust(StrEnum):
    """Where the digest of a file comes from, from the least to the most trusted."""

    UNVERIFIED = "unverified"
    """From the bytes that arrived: nothing vouches for them."""
    HUB = "hub"
    """From the Hub's metadata of a commit over TLS, recorded on the volume at the first pull."""
    PINNED = "pinned"
    """From the manifest."""

    def satisfies(self, level: Trust) -> bool:
        """Whether a file of this trust may be used where `level` is required."""
        order = list(Trust)
        return order.index(self) >= order.index(level)
