"""Images for tests."""

from __future__ import annotations

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
