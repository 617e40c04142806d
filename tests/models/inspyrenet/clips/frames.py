"""Frames of made clips, as the network would hand them over."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from models.inspyrenet.clips.map_frame import MapFrame

SIDE = 64


def disc(x, y=32, radius=14, side=SIDE):
    """Where a disc is, 0..1 with a soft edge."""
    rows, columns = np.mgrid[:side, :side]
    distance = np.hypot(rows - y, columns - x)
    return np.clip(radius - distance + 0.5, 0, 1).astype(np.float32)


def logits(foreground, low=-6.0, high=6.0):
    return (low + (high - low) * foreground).astype(np.float32)


def picture(foreground, texture=0):
    """A bright disc on a textured ground."""
    ground = np.random.default_rng(texture).integers(20, 90, (*foreground.shape, 1))
    gray = ground * (1 - foreground[..., None]) + 220 * foreground[..., None]
    return gray.round().astype(np.uint8).repeat(3, axis=2)


def frame(number, rgb, values, *, cut=False):
    return MapFrame(rgb, Fraction(number, 25), Fraction(1, 25), values, cut)
