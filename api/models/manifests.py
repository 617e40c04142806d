"""What the manifests of the models say about their weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from models import catalog

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from models.spec import Card
    from weights.manifest.manifest import Pattern, WeightFile


@dataclass(frozen=True)
class ManifestInfo:
    """The default profile of a manifest. None: the manifest does not say."""

    profile: str
    revision: str | None
    total_bytes: int | None
    licenses: tuple[str, ...]
    trust: str


def read_manifests(cards: Iterable[Card]) -> None:
    """Read the manifests of the operator: an invalid one fails the start instead of a request.

    Ours are tested, and read when a request needs them: all together take 0.04 s. Raises
    `WeightsError`.
    """
    ours = set(catalog.MANIFESTS.values())
    for card in cards:
        if card.weights is not None and card.weights not in ours:
            manifest_info(card.weights)


@cache
def manifest_info(path: Path) -> ManifestInfo:
    """The default profile of a manifest. Each file is read once per process."""
    from weights.manifest import manifest  # a start with our manifests needs none of it

    selection = manifest.load(path).select()
    profile, trust = selection.profile, selection.trust
    entries: tuple[WeightFile | Pattern, ...] = (*selection.files, *selection.patterns)
    licenses = tuple(sorted({entry.license for entry in entries}))
    if selection.patterns:
        return ManifestInfo(profile, None, None, licenses, trust)
    sizes_known = all(file.size_bytes for file in selection.files)
    total_bytes = selection.size_bytes if sizes_known else None
    return ManifestInfo(profile, selection.revision, total_bytes, licenses, trust)
