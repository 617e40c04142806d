import subprocess
import sys

from tests.models.preview_lipsync.preview_media import (
    FACES,
    RATE,
    ROOT,
    VOICES,
    read_wav,
    write_wav,
)

SCRIPT = """
import sys
from pathlib import Path
from bench.machine import peak_mb
from models.preview_lipsync.card import Input
from models.preview_lipsync.runner import Runner
image, audio, out = map(Path, sys.argv[1:])
params = Input(image="file_1", audio="file_2", max_side=256, fps=15)
Runner().generate(params, {"image": image, "audio": audio}, out, lambda *_, **__: None)
print(peak_mb())
"""


def peak_mb_of(folder, seconds):
    speech = read_wav(VOICES["example"])[RATE : 6 * RATE]
    voice = write_wav(folder / f"{seconds}.wav", [*speech] * (seconds // 5))
    arguments = [FACES["portrait"].path, voice, folder / f"{seconds}.mp4"]
    shown = subprocess.run(
        [sys.executable, "-c", SCRIPT, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(shown.stdout)


def test_memory_does_not_grow_with_the_length_of_the_voice(tmp_path):
    assert peak_mb_of(tmp_path, 40) <= 1.1 * peak_mb_of(tmp_path, 10)
