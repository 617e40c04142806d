"""Which pixels of an aligned face are kept, and which the network repaints.

One mask for every frame, of the shape with which the network was trained: the lower face from
beside the nose down to the chin. Only the nose itself stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SIZE: Final = 256
_NOSE_ROWS: Final = (95, 128)
"""Rows in which the nose divides the hole; the second is exclusive."""
_NOSE_SPANS: Final = ((9, 77), (178, 246))
"""Columns repainted beside the nose, first and last."""
_SPANS: Final = (
    *((128, 9, 247), (135, 9, 246), (136, 10, 246), (149, 10, 245), (150, 11, 245)),
    *((163, 11, 244), (164, 12, 244), (170, 12, 243), (171, 13, 243), (172, 13, 242)),
    *((173, 14, 242), (174, 14, 241), (175, 15, 241), (176, 15, 240), (177, 16, 240)),
    *((178, 16, 239), (179, 17, 238), (180, 18, 238), (181, 18, 237), (182, 19, 236)),
    *((184, 20, 235), (185, 21, 234), (187, 22, 233), (188, 22, 232), (189, 23, 232)),
    *((190, 24, 231), (191, 25, 230), (192, 26, 230), (193, 26, 229), (194, 27, 228)),
    *((195, 28, 228), (196, 29, 227), (197, 30, 226), (198, 31, 225), (199, 32, 224)),
    *((200, 33, 223), (201, 34, 223), (202, 34, 222), (203, 35, 221), (204, 36, 220)),
    *((205, 37, 219), (206, 38, 218), (207, 39, 217), (208, 40, 216), (209, 42, 215)),
    *((210, 43, 214), (211, 44, 213), (212, 45, 212), (213, 47, 211), (214, 48, 210)),
    *((215, 49, 208), (216, 51, 207), (217, 52, 206), (218, 54, 204), (219, 56, 203)),
    *((220, 57, 202), (221, 59, 200), (222, 60, 199), (223, 62, 197), (224, 64, 196)),
    *((225, 66, 194), (226, 68, 192), (227, 70, 191), (228, 72, 189), (229, 74, 187)),
    *((230, 76, 185), (231, 78, 183), (232, 80, 180), (233, 82, 178), (234, 85, 175)),
    *((235, 87, 173), (236, 90, 171), (237, 93, 168), (238, 95, 166), (239, 99, 164)),
    *((240, 104, 160), (241, 108, 156), (242, 131, 152)),
)
"""Row, first and last column repainted; each holds until the next row given."""
_END: Final = 243
"""First row below the hole."""


def keep_mask(size: int) -> NDArray[np.float32]:
    """1 where a pixel is kept and 0 where it is repainted, `(size, size)`.

    At another size than 256 it is scaled with Lanczos' filter and has soft edges.
    """
    levels = _keep_levels()
    if size != _SIZE:
        levels = np.asarray(cv2.resize(levels, (size, size), interpolation=cv2.INTER_LANCZOS4))
    return levels.astype(np.float32) / np.float32(255)


def _keep_levels() -> NDArray[np.uint8]:
    """The mask at its own size, 255 where a pixel is kept."""
    levels = np.full((_SIZE, _SIZE), 255, np.uint8)
    for first, last in _NOSE_SPANS:
        levels[slice(*_NOSE_ROWS), first : last + 1] = 0
    ends = [row for row, _, _ in _SPANS[1:]] + [_END]
    for (row, first, last), end in zip(_SPANS, ends, strict=True):
        levels[row:end, first : last + 1] = 0
    return levels
