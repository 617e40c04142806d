"""Images for tests."""

from __future__ import annotations

import numpy as np
from PIL import Image


def wall(path):
    """Save an image without a face."""
    Image.new("RGB", (320, 240), (180, 170, 160)).save(path)
    return path


def shrunk(photo, path, *, side=320):
    """Save a smaller copy of a photo, so that its job is short."""
    with Image.open(photo) as picture:
        picture.thumbnail((side, side))
        picture.save(path)
    return path


def _save_16_bits(picture, path):
    Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257).save(path)


def _save_with_alpha(picture, path):
    picture.putalpha(128)
    picture.save(path)


UNUSUAL = {
    "deep.png": _save_16_bits,
    "print.jpg": lambda picture, path: picture.convert("CMYK").save(path),
    "palette.png": lambda picture, path: picture.quantize(16).save(path),
    "alpha.png": _save_with_alpha,
    "one.png": lambda picture, path: picture.resize((1, 1)).save(path),
    "long.png": lambda picture, path: picture.resize((5000, 30)).save(path),
}
"""How to save a picture in ways that few pictures are, by the name of the file."""

_STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def turned(picture, path, orientation):
    """Save a picture turned or mirrored, with the EXIF orientation that makes it upright again."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = _STORED.get(orientation)
    (picture if stored is None else picture.transpose(stored)).save(path, exif=exif)
    return path
