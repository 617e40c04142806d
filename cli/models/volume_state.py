"""How much of a model is on a volume: by file sizes, without requests or hashing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from cli.models.formatting import format_percent
from weights.download import journal
from weights.volume import snapshot

if TYPE_CHECKING:
    from weights.manifest.manifest import Selection
    from weights.volume.volume import Volume


class VolumeState(StrEnum):
    """What a volume has of one selection."""

    ABSENT = "absent"  #: nothing
    PARTIAL = "partial"  #: some bytes; the next pull resumes
    ON_DISK = "on_disk"  #: all files, with the right sizes
    CORRUPT = "corrupt"  #: it was complete, or a file has the wrong size: `verify --repair`


@dataclass(frozen=True)
class SelectionState:
    """The state of a selection and its figures."""

    state: VolumeState
    done_bytes: int
    total_bytes: int

    @property
    def text(self) -> str:
        """The state for people."""
        if self.state is VolumeState.PARTIAL:
            return f"partial, {format_percent(self.done_bytes, self.total_bytes)}"
        return self.state.replace("_", " ")


def selection_state(selection: Selection, volume: Volume) -> SelectionState:
    """Return what is on the volume of a selection, including downloaded parts of partial files."""
    files = {file.id: file for file in selection.files}.values()
    total = sum(file.size_bytes or 0 for file in files)
    if selection.files and volume.complete(selection):
        return SelectionState(VolumeState.ON_DISK, total, total)
    missing = volume.missing(selection)
    begun = sum(journal.done_bytes(volume.partial(file)) for file in volume.begun(missing))
    done = total - sum(file.size_bytes or 0 for file in missing) + begun
    was_complete = snapshot.read_marker(volume.root, selection) is not None
    if was_complete or volume.stored(missing):
        return SelectionState(VolumeState.CORRUPT, done, total)
    return SelectionState(VolumeState.PARTIAL if done > 0 else VolumeState.ABSENT, done, total)
