import subprocess
import sys
from pathlib import Path

import pytest

from tests.models.video.color import reference, test_clip_alpha
from tests.models.video.decoding import test_deinterlace

REPOSITORY = Path(__file__).parents[4]

# Prints the peak of a program that reads a clip.
PROGRAM = """
import sys
from pathlib import Path
from bench.machine import peak_mb
from models.video.frames import frames

for picture in frames(Path(sys.argv[1])):
    pass
print(peak_mb())
"""


def hdr(path, count):
    planes = reference.yuv(reference.hdr(reference.picture(), reference.HLG), 9)
    reference.clip(path.with_suffix(".mp4"), planes, flags=(9, reference.HLG, 9), frames=count)
    return path.with_suffix(".mp4")


def interlaced(path, count):
    stored = (test_deinterlace.fields(number, top_first=True) for number in range(count))
    flags = test_deinterlace.INTERLACED
    return test_deinterlace.clip(path.with_suffix(".mp4"), stored, flags=flags)


def alpha(path, count):
    return test_clip_alpha.clip(path.with_suffix(".webm"), "vp8.webm", count)


def peak(path):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, path],
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
        text=True,
    )
    return float(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has another unit elsewhere")
@pytest.mark.parametrize("kind", [hdr, interlaced, alpha])
def test_memory_does_not_grow_with_the_length_of_the_clip(tmp_path, kind):
    assert peak(kind(tmp_path / "long", 600)) <= 1.05 * peak(kind(tmp_path / "short", 60))
