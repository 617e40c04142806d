import subprocess
import sys
from pathlib import Path

import pytest

from models.video.encoding.clip_writer import ClipFormat
from tests.models.video import media

REPOSITORY = Path(__file__).parents[4]

# Prints the peak of a program that writes a clip of some frames, with sound.
PROGRAM = """
import sys
from fractions import Fraction
from pathlib import Path
import numpy as np
from bench.machine import peak_mb
from models.video.encoding.clip_writer import ClipFormat, clip_writer

format, sound, out, count = ClipFormat(sys.argv[1]), *map(Path, sys.argv[2:4]), int(sys.argv[4])
with clip_writer(format, out, width=160, height=96, sound=sound) as writer:
    for number in range(count):
        frame = np.full((96, 160, 4), number % 256, np.uint8)
        writer.write(frame, Fraction(number, 25), Fraction(1, 25))
print(peak_mb())
"""


def peak(folder, format, seconds):
    voice = media.wav(folder / f"{seconds}.wav", media.tone(seconds, 16_000), 16_000)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, format, voice, folder / "out", str(25 * seconds)],
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
        text=True,
    )
    return float(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has another unit elsewhere")
@pytest.mark.parametrize("format", ClipFormat)
def test_memory_does_not_grow_with_the_length_of_the_clip(tmp_path, format):
    assert peak(tmp_path, format, 60) <= 1.05 * peak(tmp_path, format, 6)
