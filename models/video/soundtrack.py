"""The sound of an MP4 while it is written, in the chunks that its encoder takes."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final

import av
import numpy as np

from models.video import sound

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from av.audio.frame import AudioFrame
    from numpy.typing import NDArray

RATE: Final = 48_000
"""Samples per second."""
FRAME_SAMPLES: Final = 1024
"""Samples of an AAC frame."""


class Soundtrack:
    """Reads a sound no further than the frames that are written."""

    def __init__(self, path: Path) -> None:
        self.channels = min(sound.channels(path), 2)
        self.layout = "mono" if self.channels == 1 else "stereo"
        self._source = sound.pcm(path, rate=RATE, channels=self.channels)
        self._pending = np.empty((self.channels, 0), np.float32)
        self._position = 0

    def audible(self) -> bool:
        """Whether there is at least one sample."""
        self._read(1)
        return self._pending.shape[1] > 0

    def up_to(self, seconds: Fraction) -> Iterator[AudioFrame]:
        """The complete encoder frames that end by this time."""
        stop = round(seconds * RATE)
        while self._position + FRAME_SAMPLES <= stop and (frame := self._next(FRAME_SAMPLES)):
            yield frame

    def rest(self, seconds: Fraction) -> Iterator[AudioFrame]:
        """All that remains before this time; the last frame may be shorter."""
        yield from self.up_to(seconds)
        if frame := self._next(round(seconds * RATE) - self._position):
            yield frame

    def close(self) -> None:
        """Close the source."""
        self._source.close()

    def _next(self, samples: int) -> AudioFrame | None:
        self._read(samples)
        chunk, self._pending = self._pending[:, :samples], self._pending[:, samples:]
        if not chunk.shape[1]:
            return None
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(chunk), format="fltp", layout=self.layout
        )
        frame.sample_rate = RATE
        frame.pts = self._position
        frame.time_base = Fraction(1, RATE)
        self._position += chunk.shape[1]
        return frame

    def _read(self, samples: int) -> None:
        while self._pending.shape[1] < samples:
            more: NDArray[np.float32] | None = next(self._source, None)
            if more is None:
                return
            self._pending = np.concatenate((self._pending, more), axis=1)
