"""Checks of what a network computed: a black, constant or frozen video is never a success.

NaN becomes black when it is converted to bytes, and zeros become gray: without these checks a run
with unsuitable weights or too small a number format would end as a success.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from models.errors import OutputInvalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from models.arrays import Frame

TOLERANCE: Final = 2
"""Levels of 255 by which pixels of one color, or of one still, may differ: the noise of a decoder's
rounding. No network that works stays below it."""
_ENOUGH_FACES: Final = 12
"""Half a second: so long not even a closed mouth stays the same to the last bit."""
_SAMPLES: Final = 64
"""Pixels of a frame that are compared, in each direction."""


def check_finite(values: Any, source: str) -> None:
    """Raise `OutputInvalid` if an array or tensor has a NaN or infinite value; waits for a GPU.

    `source` is named in the message, e.g. "the VAE".
    """
    finite = np.isfinite(values) if isinstance(values, np.ndarray) else values.isfinite()
    if not bool(finite.all()):
        raise OutputInvalid(
            "output_not_finite",
            f"{source} computed NaN or infinite values. Its number format is too small for its "
            "weights, or they are damaged: set a larger format, or pull them again",
        )


def check_varied(values: Any, source: str) -> None:
    """Raise `OutputInvalid` if all values of an array or tensor are equal; waits for a GPU.

    Weights that are all zero give that: `source` is named in the message, e.g. "the VAE".
    """
    if bool((values == values.reshape(-1)[0]).all()):
        raise OutputInvalid(
            "output_blank",
            f"{source} computed the same value everywhere. Its weights are empty or belong to "
            "another model, or its number format does not suit them: pull them again",
        )


def check_faces(faces: Iterable[NDArray[Any]]) -> None:
    """Raise `OutputInvalid` if each of these generated faces has a single color."""
    if all(_is_blank(face, 0) for face in faces):
        raise blank_error()


def check_mouths_move(faces: NDArray[Any]) -> None:
    """Raise `OutputInvalid` if faces of one picture and different sounds are all equal."""
    if len(faces) > 1 and (faces == faces[0]).all():
        raise frozen_error()


@dataclass
class FrameWatch:
    """Watches the frames of a generated video, and fails at its end if they show nothing.

    The first frame counts only if there is no other: an image-to-video model keeps its image there.
    """

    tolerance: int = TOLERANCE
    _frames: int = 0
    _blank: bool = True
    _still: bool = True
    _first: NDArray[np.int16] | None = None

    def watch(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Yield the frames. Raises `OutputInvalid` after the last one."""
        for frame in frames:
            self._look_at(frame)
            yield frame
        if self._frames and self._blank:
            raise blank_error()
        if self._frames > 2 and self._still:
            raise frozen_error()

    def _look_at(self, frame: Frame) -> None:
        height, width = frame.shape[:2]
        sample = frame[:: max(1, height // _SAMPLES), :: max(1, width // _SAMPLES)].astype(np.int16)
        self._frames += 1
        if self._frames == 2 or self._first is None:
            self._first, self._blank = sample, True
        self._blank = self._blank and _is_blank(sample, self.tolerance)
        self._still = self._still and bool(
            self._frames == 2 or (abs(sample - self._first) <= self.tolerance).all()
        )


@dataclass
class MouthWatch:
    """Watches the generated faces of a run: a picture whose sound changes must move its mouth.

    Only faces of batches of one size are compared: other sizes have other kernels, which round
    differently.
    """

    _compared: int = 0
    _moved: bool = False
    _last: tuple[Any, Any, Frame] | None = None
    _batch: int = 0

    def look_at(
        self, pictures: Sequence[Any], sounds: Sequence[Any], faces: Iterable[Frame]
    ) -> None:
        """Compare each face with the one before it, if both are of one picture (the same object).

        Raises `OutputInvalid` if all of these faces are of a single color.
        """
        faces = list(faces)
        check_faces(faces)
        if len(faces) != self._batch:
            self._batch, self._last = len(faces), None
        for picture, sound, face in zip(pictures, sounds, faces, strict=True):
            if self._moved:
                return
            last, self._last = self._last, (picture, sound, face)
            if last and last[0] is picture and not np.array_equal(last[1], sound):
                self._compared += 1
                self._moved = not np.array_equal(last[2], face)

    def finish(self) -> None:
        """Raise `OutputInvalid` if none of enough faces moved."""
        if self._compared >= _ENOUGH_FACES and not self._moved:
            raise frozen_error()


def blank_error() -> OutputInvalid:
    """The error for frames of a single color."""
    return OutputInvalid(
        "output_blank",
        "The network computed frames of a single color. Its number format does not suit its "
        "weights, or they belong to another model: set another format, or pull them again",
    )


def frozen_error() -> OutputInvalid:
    """The error for frames or mouths that never move."""
    return OutputInvalid(
        "output_frozen",
        "The network computed the same picture again and again. Its number format does not suit "
        "its weights, or they belong to another model: set another format, or pull them again",
    )


def _is_blank(pixels: NDArray[Any], tolerance: float) -> bool:
    """Whether an image `(height, width, channels)` has a single color."""
    return bool(np.ptp(pixels, axis=(0, 1)).max() <= tolerance)
