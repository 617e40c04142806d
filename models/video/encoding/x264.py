"""How libx264 is called: equal frames give equal files, whatever the machine.

Its code for SSSE3, AVX and AVX2 gives the same file. Its code for AVX-512 does not: where a row is
not a multiple of eight macroblocks wide (128 pixels), the cost propagation of `mbtree` also adds
what lies behind the row: parts of the next row, and memory that nobody has written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import av
import cv2

if TYPE_CHECKING:
    from models.settings import X264Simd

THREADS: Final = 4
"""Frames that are encoded at the same time. x264's output depends on this number, so it is never
derived from the cores of a machine."""

# Numbers of OpenCV's `enum CpuFeatures`, which its Python module does not name.
_CPU_FEATURES: Final = {"avx2": 11, "avx": 10, "ssse3": 4}
_VERSION: Final = re.compile(rb"x264 - core (\d+)")


@dataclass(frozen=True)
class X264:
    """The settings of one encoder."""

    crf: int
    """Constant rate factor: 0 is lossless, 51 the worst."""
    preset: str
    simd: X264Simd

    @property
    def options(self) -> dict[str, str]:
        """The options of PyAV's `add_stream`."""
        named = {"crf": str(self.crf), "preset": self.preset, "profile": "high"}
        return named | {"x264-params": f"asm={self._asm}"}

    def describe(self, core: str) -> str:
        """Name, version and all settings that decide the bytes of the file.

        `core` is the number that the encoder writes into its first packet, see `core_version`.
        """
        libavcodec = ".".join(map(str, av.library_versions["libavcodec"]))
        return (
            f"libx264 {core}, libavcodec {libavcodec}, PyAV {av.__version__}: "
            f"crf={self.crf} preset={self.preset} threads={THREADS} asm={self._asm}"
        )

    @property
    def _asm(self) -> str:
        """`simd`, or x264's own choice where the CPU lacks it: x264 would crash if forced."""
        if self.simd != "auto" and cv2.checkHardwareSupport(_CPU_FEATURES[self.simd]):
            return self.simd
        return "auto"


def core_version(packet: bytes) -> str:
    """The version of x264, from the comment that it writes into its first packet."""
    found = _VERSION.search(packet)
    return found[1].decode() if found else "of unknown version"
