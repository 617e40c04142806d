"""Mix any number of channels down to one or two, without clipping."""

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

# Gain of a channel in (left, right), as in ITU-R BS.775; LFE carries no speech and is dropped.
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
    """Gains `(channels, channels of the layout)`; the result stays within -1..1."""
    count = layout.nb_channels
    names = tuple(channel.name for channel in layout.channels)
    if not set(names) <= set(_GAINS):
        names = _DEFAULT_LAYOUTS.get(count, ())
    if count == 1 or not names:
        return np.full((channels, count), 1 / count, np.float32)
    gains = np.array([_GAINS[name] for name in names], np.float32).T
    if channels == 1:
        gains = gains.sum(axis=0, keepdims=True)
    return gains / max(float(gains.sum(axis=1).max()), 1e-6)


def mix(frame: AudioFrame, channels: int) -> NDArray[np.float32]:
    """The samples of a frame as `(channels, n)` of float32 within -1..1; NaN becomes silence."""
    gains = matrix(frame.layout, channels)
    return np.clip(gains @ np.nan_to_num(_float(frame), posinf=0, neginf=0), -1, 1)


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
