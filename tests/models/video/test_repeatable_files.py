"""Equal frames give equal files: on any number of cores, after anything else in the process."""

from __future__ import annotations

import random
import subprocess
import sys

import av
import numpy as np
import pytest

from models.settings import EncoderSettings
from models.video.frames import frames
from tests.models.video import media

WIDTH, HEIGHT = 208, 128
"""13 macroblocks wide: not a multiple of eight, with which AVX-512 reads behind each row."""

IN_ONE_PROCESS = """
import os, sys
from pathlib import Path
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))} if sys.argv[2] == "1" else range(64))
from tests.models.video.test_repeatable_files import moving
from tests.models.video import media
media.write(Path(sys.argv[1]), moving())
"""


def moving(count=8):
    """A noise texture that moves by a few pixels a frame."""
    texture = np.random.default_rng(5).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    large = texture.repeat(8, axis=0).repeat(8, axis=1)
    for n in range(count):
        yield np.ascontiguousarray(large[2 * n : 2 * n + HEIGHT, 5 * n : 5 * n + WIDTH])


class Heap:
    """Memory blocks of random sizes and contents, allocated and freed in a random order."""

    def __init__(self):
        self._random = random.Random(1)
        self._blocks = []

    def stir(self):
        for _ in range(60):
            size = self._random.randrange(64, 200_000)
            self._blocks.append(bytearray([self._random.randrange(256)]) * size)
        self._random.shuffle(self._blocks)
        del self._blocks[30:]


def written(path, pictures, **values):
    media.write(path, pictures, **values)
    return path.read_bytes()


def test_50_encodes_after_stirring_the_heap_give_one_file(tmp_path):
    heap, files = Heap(), set()

    for n in range(50):
        heap.stir()
        if n % 10 == 9:
            media.write(tmp_path / "other.mp4", [media.numbered(n, 160 + n, 96)] * 3)
        files.add(written(tmp_path / "out.mp4", moving()))

    assert len(files) == 1


def test_a_fresh_process_on_one_core_or_on_all_writes_the_same_file(tmp_path):
    files = {written(tmp_path / "here.mp4", moving())}

    for cores in ("1", "all"):
        out = tmp_path / f"{cores}.mp4"
        subprocess.run([sys.executable, "-c", IN_ONE_PROCESS, str(out), cores], check=True)
        files.add(out.read_bytes())

    assert len(files) == 1


def test_every_vector_instruction_set_gives_the_same_file(tmp_path):
    files = {
        written(tmp_path / f"{simd}.mp4", moving(), simd=simd) for simd in ("avx2", "avx", "ssse3")
    }

    assert len(files) == 1


def test_a_file_with_sound_is_the_same_each_time(tmp_path):
    voice = media.wav(tmp_path / "voice.wav", media.tone(1, 22_050), 22_050)
    heap, files = Heap(), set()

    for _ in range(10):
        heap.stir()
        files.add(written(tmp_path / "out.mp4", moving(25), sound=voice))

    assert len(files) == 1


def test_the_file_has_no_date(tmp_path):
    content = written(tmp_path / "out.mp4", moving())

    for box in (b"mvhd", b"tkhd", b"mdhd"):
        created = content.index(box) + len(box) + 4
        assert content[created : created + 8] == bytes(8)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert "creation_time" not in container.metadata


def test_a_damaged_video_is_decoded_the_same_each_time(tmp_path):
    film = media.clip(tmp_path / "film.mp4", list(moving(60)), options={"crf": "20"})
    content, damage = bytearray(film.read_bytes()), random.Random(3)
    media_begin = content.index(b"mdat")
    for _ in range(12):
        place = damage.randrange(media_begin + 2000, len(content) - 5000)
        content[place : place + 6] = damage.randbytes(6)
    film.write_bytes(content)

    decoded = {b"".join(picture.tobytes() for picture in frames(film)) for _ in range(8)}

    assert len(decoded) == 1


def test_the_result_names_the_encoders_and_their_settings(tmp_path):
    voice = media.wav(tmp_path / "voice.wav", media.tone(0.4, 48_000), 48_000)

    silent = media.write(tmp_path / "silent.mp4", moving(), simd="ssse3")
    spoken = media.write(tmp_path / "spoken.mp4", moving(), sound=voice, crf=23)

    assert f"PyAV {av.__version__}: crf=18 preset=veryfast threads=4 asm=ssse3" in silent.encoder
    core = silent.encoder.removeprefix("libx264 ").partition(",")[0]
    assert f"x264 - core {core} ".encode() in (tmp_path / "silent.mp4").read_bytes()
    assert "crf=23" in spoken.encoder
    assert spoken.encoder.endswith("; aac 160000 bit/s")


def test_the_setting_chooses_the_instructions(tmp_path, monkeypatch):
    monkeypatch.setenv("KINOMILL_X264_SIMD", "auto")

    assert EncoderSettings().x264_simd == "auto"
    assert "asm=auto" in media.write(tmp_path / "out.mp4", moving()).encoder


def test_an_unknown_instruction_set_is_an_error(monkeypatch):
    monkeypatch.setenv("KINOMILL_X264_SIMD", "avx512")

    with pytest.raises(ValueError, match="x264_simd"):
        EncoderSettings()


def test_four_frames_are_encoded_at_the_same_time(tmp_path):
    content = written(tmp_path / "out.mp4", moving())

    assert b"threads=4 lookahead_threads=1 sliced_threads=0" in content
