"""Samples of one rate as samples of another, in step with time."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import numpy as np

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from numpy.typing import NDArray


class Resampler:
    """One rate to another; gives exactly as many samples as the time asks for."""

    def __init__(self, source_rate: int, rate: int, channels: int) -> None:
        self.source_rate = source_rate
        self._rate = rate
        self._layout = "mono" if channels == 1 else "stereo"
        self._resampler = av.AudioResampler(format="fltp", layout=self._layout, rate=rate)
        self._channels = channels
        self._taken = self._given = 0

    def feed(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take samples `(channels, n)`; give what is ready, which may be nothing yet."""
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples), format="fltp", layout=self._layout
        )
        frame.sample_rate = self.source_rate
        frame.pts = self._taken
        frame.time_base = Fraction(1, self.source_rate)
        self._taken += samples.shape[1]
        return self._limited(self._resampler.resample(frame))

    def rest(self) -> NDArray[np.float32]:
        """What is still owed; nothing can be fed after it."""
        flushed = [] if self.source_rate == self._rate else self._resampler.resample(None)
        samples = self._limited(flushed)
        missing = self._due() - self._given
        self._given += missing
        return np.pad(samples, ((0, 0), (0, missing)))

    def _due(self) -> int:
        return round(Fraction(self._taken * self._rate, self.source_rate))

    def _limited(self, frames: list[AudioFrame]) -> NDArray[np.float32]:
        parts: list[Any] = [frame.to_ndarray() for frame in frames]
        empty = np.empty((self._channels, 0), np.float32)
        samples = np.concatenate((empty, *parts), axis=1)[:, : self._due() - self._given]
        self._given += samples.shape[1]
        return samples.clip(-1, 1)
