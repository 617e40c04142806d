"""The weights of the tiny model: generated, always the same bytes."""

from __future__ import annotations

import io

import numpy as np

REPO = "tiny/paint"
PICTURES, HEIGHT, WIDTH = 2600, 96, 128
FRAMES = 12


def files():
    """Return each file of the repository by its path."""
    return {"paint.npy": _saved(_paint()), "parts/order.npy": _saved(_request_stop())}


def _paint():
    """Sixteen megabytes of pictures that differ."""
    values = np.arange(PICTURES * HEIGHT * 16, dtype=np.uint32) * np.uint32(2654435761)
    return values.view(np.uint8).reshape(-1, HEIGHT, 16, 4)


def _request_stop():
    """The order in which they are shown."""
    return np.arange(FRAMES, dtype=np.int64)[::-1].copy()


def _saved(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()
