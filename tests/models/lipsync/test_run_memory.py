"""Memory does not grow with the number of frames."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]


def growth(height, *seconds):
    """Peak memory of the longest clip divided by that of the shortest, without a network."""
    lengths = [str(number) for number in seconds]
    options = ["--rounds", "1", "--tiny", "--height", str(height), "--seconds", *lengths]
    shown = subprocess.run(
        [sys.executable, "-m", "bench.lipsync", *options],
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
        text=True,
    )
    (ratio,) = json.loads(shown.stdout)["ratio"].values()
    return ratio


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has another unit elsewhere")
def test_memory_does_not_grow_with_the_clip():
    assert growth(240, 10, 30) <= 1.05


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has another unit elsewhere")
def test_two_minutes_of_720p_take_the_memory_of_twelve_seconds():
    assert growth(720, 12, 120) <= 1.1
