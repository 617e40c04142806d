"""Speech features of all tracks in one file: a clip reads only the rows that it needs.

Ten minutes are 550 MB for each person, so memory does not grow with the length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from models.multitalk import audio
from models.multitalk.variants import frame_count

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

_REACH: Final = audio.WINDOW // 2


class FeatureFile:
    """Features `(people, frames, layers, hidden)` of tracks of equal length."""

    def __init__(self, path: Path, frames: int) -> None:
        self._path = path
        self.frames = frames

    @classmethod
    def write(cls, path: Path, wav2vec: Any, tracks: Sequence[NDArray[np.float32]]) -> FeatureFile:
        """Compute the features of each track, one after another. There is at least one frame."""
        frames = frame_count(len(tracks[0]))
        file: NDArray[np.float32] | None = None
        for person, track in enumerate(tracks):
            rows = audio.features(wav2vec, track, frames=frames).float().cpu().numpy()
            if file is None:
                shape = len(tracks), *rows.shape
                file = np.lib.format.open_memmap(path, "w+", dtype=np.float32, shape=shape)
            file[person] = rows
        return cls(path, frames)

    def windows(self, start: int, frames: int) -> Tensor:
        """Windows `(people, frames, 5, layers, hidden)` of the video frames from `start` on.

        Beyond the end of the voice its features continue backwards.
        """
        numbers = np.arange(start - _REACH, start + frames + _REACH)
        index = mirrored(np.maximum(numbers, 0), self.frames)
        rows = torch.from_numpy(np.load(self._path, mmap_mode="r")[:, index])
        return audio.windows(rows, _REACH, frames)


def mirrored(numbers: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """Numbers of rows beyond the last one, reflected: 0 1 2 2 1 0 0 1 … for a length of 3."""
    phase = numbers % (2 * length)
    return np.minimum(phase, 2 * length - 1 - phase)
