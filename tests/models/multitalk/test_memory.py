"""Memory of a talking picture does not grow with the length of its voice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.models.multitalk.tiny import tiny_talking
from tests.models.multitalk.voice_files import tone, write_voice
from tests.models.wan.running import inputs

pytestmark = pytest.mark.slow

SCRIPT = """
import sys
from dataclasses import replace
from pathlib import Path
from bench.machine import peak_mb
from models.multitalk.runner import Runner
from tests.models.multitalk.running import VARIANTS, request_for
variant = replace(VARIANTS["multitalk"], clip_frames=81, motion_frames=25)
weights, image, voice, out = map(Path, sys.argv[1:])
params = request_for(steps=1, guidance=1.0, audio_guidance=1.0, max_seconds=60.0)
runner = Runner(weights, variant)
runner.generate(params, {"image": image, "audio": voice}, out, lambda *_, **__: None)
print(peak_mb())
"""


def peak_mb(weights, folder, seconds):
    """Peak memory of a process that makes one video of a voice of so many seconds."""
    voice = write_voice(folder / f"{seconds}.wav", tone(seconds))
    image = inputs(folder)["image"]
    shown = subprocess.run(
        [sys.executable, "-c", SCRIPT, weights, image, voice, folder / f"{seconds}.mp4"],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(shown.stdout.splitlines()[-1])


def test_a_voice_of_60_seconds_needs_as_much_memory_as_one_of_10(tmp_path):
    weights = tiny_talking(tmp_path / "weights")

    short, long = (peak_mb(weights, tmp_path, seconds) for seconds in (10, 60))

    assert long <= 1.05 * short, (short, long)
