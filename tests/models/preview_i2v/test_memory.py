import subprocess
import sys

from tests.models.preview_i2v.media import PHOTO

SCRIPT = """
import sys
from pathlib import Path
from bench.machine import peak_mb
from models.preview_i2v.card import CARD
from models.preview_i2v.runner import Runner
image, out, segments = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
params = CARD.input(image="file_1", prompt="x", seed=7, width=480, height=480, steps=4,
                    segments=segments)
Runner().generate(params, {"image": image}, out, lambda *_, **__: None)
print(peak_mb())
"""


def peak_mb_of(folder, segments):
    shown = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(PHOTO), str(folder / "out.mp4"), str(segments)],
        cwd=PHOTO.parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(shown.stdout)


def test_memory_does_not_grow_with_the_length_of_the_clip(tmp_path):
    assert peak_mb_of(tmp_path, 6) <= 1.1 * peak_mb_of(tmp_path, 1)
