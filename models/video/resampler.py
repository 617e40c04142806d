"""Convert the sample rate of sound, in sync with time."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import numpy as np

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from numpy.typing import NDArray


class Resampler:
    """Converts one rate to another; returns exactly as many samples as the duration requires."""

    def __init__(self, source_rate: int, rate: int, channels: int) -> None:
        self.source_rate = source_rate
        self._rate = rate
        self._layout = "mono" if channels == 1 else "stereo"
        self._resampler = av.AudioResampler(format="fltp", layout=self._layout, rate=rate)
        self._channels = channels
        self._samples_in = self._samples_out = 0

    def feed(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take samples `(channels, n)` and return those that are ready, possibly none."""
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples), format="fltp", layout=self._layout
        )
        frame.sample_rate = self.source_rate
        frame.pts = self._samples_in
        frame.time_base = Fraction(1, self.source_rate)
        self._samples_in += samples.shape[1]
        return self._limited(self._resampler.resample(frame))

    def rest(self) -> NDArray[np.float32]:
        """Return the remaining samples. Nothing can be fed afterwards."""
        flushed = [] if self.source_rate == self._rate else self._resampler.resample(None)
        samples = self._limited(flushed)
        missing = self._expected_out() - self._samples_out
        self._samples_out += missing
        return np.pad(samples, ((0, 0), (0, missing)))

    def _expected_out(self) -> int:
        return round(Fraction(self._samples_in * self._rate, self.source_rate))

    def _limited(self, frames: list[AudioFrame]) -> NDArray[np.float32]:
        parts: list[Any] = [frame.to_ndarray() for frame in frames]
        empty = np.empty((self._channels, 0), np.float32)
        samples = np.concatenate((empty, *parts), axis=1)[
            :, : self._expected_out() - self._samples_out
        ]
        self._samples_out += samples.shape[1]
        return samples.clip(-1, 1)
