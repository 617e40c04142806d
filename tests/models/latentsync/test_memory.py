"""Memory does not grow with the length of a clip."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
RUN = """
import resource, sys
from pathlib import Path
from models.latentsync.input import Input
from models.latentsync.runner import Runner
from tests.models.latentsync.tiny import SMALL
from tests.models.lipsync.harness import nothing, portrait, voice
from tests.models.video import media
weights, folder, seconds = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
clip = media.clip(folder / "clip.mp4", [portrait("portrait")] * 20)
inputs = {"video": clip, "audio": voice(folder / "voice.wav", seconds)}
wanted = {"guidance": 1.0, "seed": 1, "rest_in_silence": False, "fps": 1, "search_every": 250}
params = Input.model_validate({**dict.fromkeys(inputs, "file_1"), **wanted})
run = params.model_copy(update={"steps": 1})
result = Runner(weights, SMALL).generate(run, inputs, folder / "out.mp4", nothing)
assert result.frames == seconds
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak(tiny, folder, seconds):
    folder.mkdir()
    shown = subprocess.run(
        [sys.executable, "-c", RUN, str(tiny), str(folder), str(seconds)],
        cwd=REPOSITORY,
        env={"KINOMILL_FACE_CACHE": str(folder / "faces"), "HOME": str(folder), "PATH": ""},
        capture_output=True,
        check=True,
        text=True,
    )
    return int(shown.stdout.split()[-1])  # what comes before is the log


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has another unit elsewhere")
def test_five_minutes_take_the_memory_of_half_a_minute(tiny, tmp_path):
    short, long = (peak(tiny, tmp_path / str(seconds), seconds) for seconds in (30, 300))

    assert long <= 1.05 * short
