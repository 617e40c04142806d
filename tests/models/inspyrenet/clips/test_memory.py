"""Memory does not grow with the length of a clip."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.models.inspyrenet import formula
from tests.models.video import media

REPOSITORY = Path(__file__).parents[4]

# Prints the peak of a program that removes the background of a clip.
PROGRAM = """
import sys
from pathlib import Path
from bench.machine import peak_mb
from models.inspyrenet.clips.input import ClipInput
from models.inspyrenet.clips.runner import Runner

weights, clip, out = map(Path, sys.argv[1:])
runner = Runner(weights)
result = runner.generate(
    ClipInput(video="file_in", mode="base"), {"video": clip}, out, lambda *_, **__: None
)
print(peak_mb(), result.frames)
"""


def peak(folder, weights, seconds, fps=3):
    pictures = [
        np.ascontiguousarray(formula.frame(180, 320, 5005 + number)[..., ::-1])
        for number in range(5)
    ]
    clip = media.clip(
        folder / f"{seconds}.mp4",
        (pictures[number % 5] for number in range(fps * seconds)),
        fps=Fraction(fps),
        sound=(16_000, media.tone(seconds, 16_000)),
    )
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, weights, clip, folder / "video.mp4"],
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
        text=True,
    )
    megabytes, frames = done.stdout.split()
    assert int(frames) == fps * seconds
    return float(megabytes)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has another unit elsewhere")
def test_a_minute_takes_no_more_memory_than_six_seconds(weights, tmp_path):
    long, short = (peak(tmp_path, weights, seconds) for seconds in (60, 6))

    assert long <= 1.05 * short, (long, short)
