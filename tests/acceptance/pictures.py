"""Pictures made for a purpose."""

from __future__ import annotations

from PIL import Image


def wall(path):
    """A plain wall."""
    Image.new("RGB", (320, 240), (180, 170, 160)).save(path)
    return path


def shrunk(photo, path, *, side=320):
    """A photo made small, for jobs that are over soon."""
    with Image.open(photo) as picture:
        picture.thumbnail((side, side))
        picture.save(path)
    return path
