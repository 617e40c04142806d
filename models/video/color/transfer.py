"""Transfer functions and primaries: from the values of a file to linear light, and back to sRGB.

Linear light is relative to reference white, which is 1: 203 cd/m2 in HDR (ITU-R BT.2408).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Light = NDArray[np.float64]

REFERENCE_WHITE: Final = 203
"""Luminance of a white page in HDR, in cd/m2."""

PEAK: Final = 1000 / REFERENCE_WHITE
"""Luminance of the display that HDR is graded for: brighter light is clipped to white."""

KNEE: Final = 0.8
"""Linear light that tone mapping leaves as it is; above, up to `PEAK`, it is compressed."""

SDR_GAMMA: Final = 2.25
"""Gamma of the display for which HDR becomes SDR: between sRGB, about 2.2, and BT.1886, 2.4. HDR
made from SDR by either comes back within 6 of 255."""

_HLG_GAMMA: Final = 1.2
"""System gamma of HLG on a display of 1,000 cd/m2 (ITU-R BT.2100)."""

# Linear RGB -> linear RGB in the primaries of BT.709 and sRGB; all have the white point D65.
_BT2020: Final = (
    (1.660491, -0.587641, -0.072850),
    (-0.124550, 1.132900, -0.008349),
    (-0.018151, -0.100579, 1.118730),
)
_DISPLAY_P3: Final = (
    (1.224940, -0.224940, 0.0),
    (-0.042057, 1.042057, 0.0),
    (-0.019638, -0.078636, 1.098274),
)

# The numbers are those of ITU-T H.273, which FFmpeg, PNG (cICP) and AVIF share.
PQ: Final = 16
HLG: Final = 18
PRIMARIES: Final = {9: _BT2020, 11: _DISPLAY_P3, 12: _DISPLAY_P3}
"""Wide primaries by their number: BT.2020, DCI P3 (seen with the white of D65), Display P3."""


def pq_light(signal: Light) -> Light:
    """SMPTE ST 2084: absolute luminance."""
    root = signal ** (32 / 2523)
    ratio = np.maximum(root - 107 / 128, 0) / (2413 / 128 - 2392 / 128 * root)
    light: Light = 10_000 / REFERENCE_WHITE * ratio ** (8192 / 1305)
    return light


def hlg_light(signal: Light) -> Light:
    """ARIB STD-B67 on a display of 1,000 cd/m2, in the primaries of BT.2020."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    luminance = scene @ np.array([0.2627, 0.6780, 0.0593])
    light: Light = PEAK * scene * luminance[..., np.newaxis] ** (_HLG_GAMMA - 1)
    return light


def srgb_light(signal: Light) -> Light:
    """IEC 61966-2-1, which also stands for BT.709 and BT.2020 in SDR: they look the same."""
    return np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)


def srgb_signal(light: Light) -> Light:
    """The inverse of `srgb_light`, for light within 0..1."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


_LIGHT: Final[dict[int, Callable[[Light], Light]]] = {PQ: pq_light, HLG: hlg_light}


def is_hdr(transfer: int) -> bool:
    """Whether it is PQ or HLG."""
    return transfer in _LIGHT


def to_srgb(signal: Light, *, transfer: int, primaries: int) -> Light:
    """RGB `(..., 3)` within 0..1 in these transfer and primaries as sRGB within 0..1.

    HDR is tone-mapped: up to `KNEE` as it is, brighter light by its largest channel, so that its
    hue stays. Colors outside sRGB are clipped.
    """
    light = _LIGHT.get(transfer, srgb_light)(signal)
    if primaries in PRIMARIES:
        light = light @ np.array(PRIMARIES[primaries]).T
    light = np.maximum(light, 0)
    if is_hdr(transfer):
        brightest = light.max(axis=-1, keepdims=True)
        light = light * _compressed(brightest) / np.maximum(brightest, 1e-9)
        gamma: Light = np.minimum(light, 1) ** (1 / SDR_GAMMA)
        return gamma
    return srgb_signal(np.minimum(light, 1))


def _compressed(light: Light) -> Light:
    """Extended Reinhard above the knee, with the slope 1 there: `PEAK` becomes 1."""
    above = np.maximum(light - KNEE, 0) / (1 - KNEE)
    peak = (PEAK - KNEE) / (1 - KNEE)
    compressed = above * (1 + above / peak**2) / (1 + above)
    return np.where(light < KNEE, light, np.minimum(KNEE + (1 - KNEE) * compressed, 1))
