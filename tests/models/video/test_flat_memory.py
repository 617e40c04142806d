import subprocess
import sys
from pathlib import Path

import pytest

from tests.models.video import media

REPOSITORY = Path(__file__).parents[3]

# Prints the peak of a program that extends a clip of some length to almost half its length.
PROGRAM = """
import sys
from fractions import Fraction
from pathlib import Path
from bench.machine import peak_mb
from models.video import constant_rate_reader
from models.video.frames import looped
from models.video.writer import Writer

clip, out, count = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
constant_rate_reader.BACKWARD_BYTES = 1024 * 1024
with Writer(out, width=160, height=96, fps=Fraction(25), sound=clip, preset="ultrafast") as writer:
    for picture in looped(clip, count):
        writer.write(picture)
print(peak_mb())
"""


def peak(folder, seconds):
    voice = media.wav(folder / "voice.wav", media.tone(seconds, 16_000), 16_000)
    clip = folder / f"{seconds}.mp4"
    pictures = (media.numbered(number % 1024) for number in range(25 * seconds))
    media.write(clip, pictures, sound=voice, preset="ultrafast")
    arguments = [str(clip), str(folder / "out.mp4"), str(35 * seconds)]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
        text=True,
    )
    return float(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has another unit elsewhere")
def test_memory_does_not_grow_with_the_length_of_the_video(tmp_path):
    assert peak(tmp_path, 60) <= 1.1 * peak(tmp_path, 10)
