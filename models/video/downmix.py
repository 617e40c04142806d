"""Mix any number of channels down to one or two, as loud as they are and without clipping."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import av
import numpy as np
from av.audio.frame import format_dtypes

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.layout import AudioLayout
    from numpy.typing import NDArray

# PyAV 18.1 reads past the plane pointers of a planar frame that fills all eight of them.
_PLANES: Final = 8

_HALF_POWER: Final = 2**-0.5

_KNEE: Final = 0.8
"""Up to this level samples stay as they are; louder ones approach 1."""
_CANCELED: Final = 0.05
"""Share of the power below which the sum of two channels counts as canceled: -13 dB."""

# Gain of a channel in (left, right), as in ITU-R BS.775, which keeps the loudness; LFE carries no
# speech and is dropped.
_GAINS: Final = {
    "FL": (1.0, 0.0),
    "FR": (0.0, 1.0),
    "FC": (_HALF_POWER, _HALF_POWER),
    "LFE": (0.0, 0.0),
    "BL": (_HALF_POWER, 0.0),
    "BR": (0.0, _HALF_POWER),
    "SL": (_HALF_POWER, 0.0),
    "SR": (0.0, _HALF_POWER),
    "FLC": (1.0, 0.0),
    "FRC": (0.0, 1.0),
    "BC": (0.5, 0.5),
}

# The channels of a file without a channel map, by their number, in the order of WAV.
_DEFAULT_LAYOUTS: Final = {
    2: ("FL", "FR"),
    3: ("FL", "FR", "FC"),
    4: ("FL", "FR", "BL", "BR"),
    5: ("FL", "FR", "FC", "BL", "BR"),
    6: ("FL", "FR", "FC", "LFE", "BL", "BR"),
    7: ("FL", "FR", "FC", "LFE", "BC", "SL", "SR"),
    8: ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
}


def matrix(layout: AudioLayout, channels: int) -> NDArray[np.float32]:
    """Gains `(channels, channels of the layout)`. A mono sound is the mean of left and right."""
    count = layout.nb_channels
    names = tuple(channel.name for channel in layout.channels)
    if not set(names) <= set(_GAINS):
        names = _DEFAULT_LAYOUTS.get(count, ())
    if count == 1 or not names:
        return np.full((channels, count), 1 / count, np.float32)
    gains = np.array([_GAINS[name] for name in names], np.float32).T
    return gains.mean(axis=0, keepdims=True) if channels == 1 else gains


def mix(frame: AudioFrame, channels: int) -> NDArray[np.float32]:
    """The samples of a frame as `(channels, n)` of float32 within -1..1; NaN becomes silence.

    Channels that would cancel each other in one, as of a microphone with a wrong plug, are
    subtracted instead.
    """
    samples = np.nan_to_num(_float(frame), posinf=0, neginf=0)
    if channels == 1 and len(samples) > 1:
        left, right = matrix(frame.layout, 2) @ samples
        mixed = _without_cancellation(left, right)[None]
    else:
        mixed = matrix(frame.layout, channels) @ samples
    return limit(mixed) if len(samples) > 2 else np.clip(mixed, -1, 1)


def limit(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bend samples beyond a knee so that they stay within -1..1."""
    over = np.abs(samples) - np.float32(_KNEE)
    if over.max(initial=0) <= 0:
        return samples
    room = np.float32(1 - _KNEE)
    bent = np.sign(samples) * (np.float32(_KNEE) + room * np.tanh(over / room))
    return np.where(over > 0, bent, samples).astype(np.float32)


def _without_cancellation(
    left: NDArray[np.float32], right: NDArray[np.float32]
) -> NDArray[np.float32]:
    half = np.float32(0.5)
    middle, side = half * (left + right), half * (left - right)
    canceled = np.square(middle).sum() < _CANCELED * np.square(side).sum()
    return side if canceled else middle


def _float(frame: AudioFrame) -> NDArray[np.float32]:
    channels = frame.layout.nb_channels
    if frame.format.name not in format_dtypes or (frame.format.is_planar and channels >= _PLANES):
        frame = _packed(frame)
    samples: NDArray[Any] = frame.to_ndarray()
    if frame.format.is_packed:
        samples = samples.reshape(-1, channels).T
    kind, bits = samples.dtype.kind, 8 * samples.dtype.itemsize
    scale = np.float32(1 if kind == "f" else 2.0 ** (1 - bits))
    return samples.astype(np.float32) * scale - np.float32(kind == "u")


def _packed(frame: AudioFrame) -> AudioFrame:
    packer = av.AudioResampler(format="flt", layout=frame.layout, rate=frame.sample_rate)
    return packer.resample(frame)[0]
