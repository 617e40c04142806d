"""How much of a model a volume has: a look at files, no request and no hash."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from cli.models.formatting import share
from weights.download import journal
from weights.volume import snapshot

if TYPE_CHECKING:
    from weights.manifest.manifest import Selection
    from weights.volume.volume import Volume


class State(StrEnum):
    """What a volume has of one selection."""

    ABSENT = "absent"  #: nothing
    PARTIAL = "partial"  #: some; the next pull goes on from there
    ON_DISK = "on_disk"  #: all of it, at the right sizes
    BROKEN = "broken"  #: it was whole, or a file has the wrong size: `verify --repair`


@dataclass(frozen=True)
class Held:
    """The state of a selection, with its figures."""

    state: State
    done_bytes: int
    total_bytes: int

    @property
    def text(self) -> str:
        """In words."""
        if self.state is State.PARTIAL:
            return f"partial, {share(self.done_bytes, self.total_bytes)}"
        return self.state.replace("_", " ")


def held(selection: Selection, volume: Volume) -> Held:
    """Look at what is there of a selection. Partials count as far as they have come."""
    files = {file.id: file for file in selection.files}.values()
    total = sum(file.size_bytes or 0 for file in files)
    if selection.files and volume.complete(selection):
        return Held(State.ON_DISK, total, total)
    lacking = volume.missing(selection)
    begun = sum(journal.done_bytes(volume.partial(file)) for file in lacking)
    done = total - sum(file.size_bytes or 0 for file in lacking) + begun
    was_whole = snapshot.read_marker(volume.root, selection) is not None
    if was_whole or any(volume.blob(file).exists() for file in lacking):
        return Held(State.BROKEN, done, total)
    return Held(State.PARTIAL if done > 0 else State.ABSENT, done, total)
