"""Clips with numbered frames that are slow or of a variable rate, with the time of each frame."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from math import floor

import numpy as np
from PIL import Image

from models.lipsync.network import CropArea
from tests.models.lipsync.harness import PAINTED, SIZE, film
from tests.models.video import media

MILLI = Fraction(1, 1000)


def slides(path):
    """One frame a second, as exported by presentation programs."""
    return _mp4(path, [0, 1000, 2000])


def screen(path):
    """A frame that stays for 0.84 s and then motion at 25 frames a second."""
    return _mp4(path, [0, *range(840, 1840, 40)])


def phone(path):
    """About 30 frames a second that each come a little late, with gaps in the dark."""
    late = [0, 4, 1, 7, 2, 0, 5, 3]
    times = [round(n * 1000 / 30) + late[n % 8] for n in range(60) if n % 7 != 5]
    return _mp4(path, times)


def gif(path):
    times = [0, 400, 470, 800]
    ends = [*times[1:], 2000]
    first, *others = (Image.fromarray(media.numbered(n, *SIZE)) for n in range(len(times)))
    held = [end - time for time, end in zip(times, ends, strict=True)]
    first.save(path.with_suffix(".gif"), save_all=True, append_images=others, duration=held, loop=0)
    return path.with_suffix(".gif"), [time * MILLI for time in times]


CLIPS = {"slides": slides, "screen": screen, "phone": phone, "gif": gif}


def _mp4(path, times):
    pictures = [media.numbered(n, *SIZE) for n in range(len(times))]
    clip = media.clip(path.with_suffix(".mp4"), pictures, times=times, time_base=MILLI)
    return clip, [time * MILLI for time in times]


def assert_each_frame_is_shown_at_its_time(result, times):
    """Frame n of the result shows what the clip shows nearest to n / fps."""
    begins = [max(floor(time * result.fps - Fraction(1, 2)) + 1, 0) for time in times]
    frames = film(result.path)
    assert [time for time, _ in frames] == [n / result.fps for n in range(result.frames)]
    assert [media.number_of(frame) for _, frame in frames] == [
        max(i for i, begin in enumerate(begins) if begin <= n) for n in range(result.frames)
    ]


def changes_of_the_mouth(result, until=0.4):
    """How often the painted region changes from one frame to the next, up to a moment."""
    mouths = [
        CropArea(**PAINTED).of(frame).astype(np.float32)
        for time, frame in film(result.path)
        if time < until
    ]
    return sum(np.abs(a - b).mean() > 0.5 for a, b in pairwise(mouths))
