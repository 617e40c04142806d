"""A video without any face is an error as soon as all of its frames were seen once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.errors import no_face_error

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from models.faces.tracking.tracked_frame import TrackedFrame


class RequiredFace:
    """Looks for a face in the first pass through a video that is looped.

    The decoder, which may run ahead in another thread, reports the end of that pass.
    """

    def __init__(self, field: str) -> None:
        self._field = field
        self._length: int | None = None

    def end_pass(self, length: int) -> None:
        """Note the number of frames of the first pass."""
        self._length = length

    def check(self, frames: Iterable[TrackedFrame]) -> Iterator[TrackedFrame]:
        """Yield the frames.

        Raises `InputRejected` after the first pass if none of its frames has a face, or after the
        last frame if the pass is longer.
        """
        found = False
        for seen, tracked in enumerate(frames):
            found = found or tracked.box is not None
            if not found and self._length is not None and seen >= self._length:
                raise no_face_error(self._field)
            yield tracked
        if not found:
            raise no_face_error(self._field)
