"""The published versions: one network, trained on faces of another size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from models.errors import WeightsInvalid


@dataclass(frozen=True)
class Version:
    """What differs between versions. Free of torch."""

    name: str
    size: int
    """Pixels of a face, width and height."""
    sha256: str
    """Of the published file of its UNet."""


V1_5: Final = Version(
    "1.5", 256, "6440b49a7ccceff56cdc001f5f17605216337f5bbd66fa360139768926e23f51"
)
V1_6: Final = Version(
    "1.6", 512, "0a478e89eb660f82da4c35dbdde8a5adfb27f99d1b4e50edd03729e1e98316d3"
)


PUBLISHED: Final = (V1_5, V1_6)


def is_published(digest: str) -> bool:
    """Whether a file with this SHA-256 is one of the published ones."""
    return any(version.sha256 == digest for version in PUBLISHED)


def check_version(digest: str, version: Version) -> None:
    """Raise `WeightsInvalid` if a file with this SHA-256 is that of another version.

    It would load, and give blurred mouths.
    """
    for other in PUBLISHED:
        if other != version and other.sha256 == digest:
            raise WeightsInvalid(
                f"the UNet is that of LatentSync {other.name} for faces of {other.size} pixels, "
                f"but this is version {version.name} for {version.size}. Pull its own weights"
            )
