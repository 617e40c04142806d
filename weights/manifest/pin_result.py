"""What `kinomill models lock` found out about a manifest."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class PinResult:
    """A line of text for each change or problem, and the pinned text if a manifest was edited."""

    text: str = ""
    filled: list[str] = field(default_factory=list)
    """Values that were unknown and are filled in now."""
    unresolved: list[str] = field(default_factory=list)
    """Values that are still unknown, and why."""
    conflicts: list[str] = field(default_factory=list)
    """Values that differ between manifest and source; the manifest's were kept."""
