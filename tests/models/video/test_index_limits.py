"""A few bytes of a header can state millions of samples: a process with limits reads it first."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from models.errors import InputRejected
from models.video.guarded.decoder_process import DecoderEnded
from models.video.probe import probe
from tests.models.video import media

SAMPLES = 5_000_000
"""Take 180 MB of index."""
LIMITED = """
from models.video.guarded import demux_program
demux_program.MEMORY_BYTES = 64 * 1024 * 1024
demux_program.main()
"""
SLOW = """
from models.video.guarded import demux_program
demux_program.CPU_SECONDS = 1
demux_program.open_container = lambda *_: all(True for _ in iter(int, 1))
demux_program.main()
"""


@pytest.fixture
def clip(tmp_path):
    pictures = [np.full((64, 64, 3), 20 * number, np.uint8) for number in range(4)]
    return media.clip(tmp_path / "clip.mp4", pictures)


@pytest.fixture
def run_program(tmp_path, monkeypatch):
    """Let the process run this text."""

    def use(text):
        (tmp_path / "limited_program.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setattr("models.video.guarded.demuxing.PROGRAM", "limited_program")

    return use


def state_samples(path, count):
    """Let the index of a clip have so many samples of one byte each, in its first chunk."""
    content = bytearray(path.read_bytes())
    sizes, chunks = content.index(b"stsz"), content.index(b"stsc")
    content[sizes + 8 : sizes + 16] = struct.pack(">II", 1, count)
    content[chunks + 8 : chunks + 20] = struct.pack(">III", 1, 1, count)
    path.write_bytes(content)


def test_an_index_that_takes_too_much_memory_is_refused(clip, run_program):
    run_program(LIMITED)
    state_samples(clip, SAMPLES)

    with pytest.raises(InputRejected, match="index that takes too much memory") as refusal:
        probe(clip)

    assert refusal.value.code == "too_large"


def test_an_index_that_takes_too_much_time_is_refused(clip, run_program):
    run_program(SLOW)

    with pytest.raises(InputRejected, match="too much memory or time") as refusal:
        probe(clip)

    assert refusal.value.code == "too_large"


def test_a_process_that_fails_is_no_fault_of_the_file(clip, run_program):
    run_program("raise SystemExit(9)")

    with pytest.raises(DecoderEnded):
        probe(clip)


def test_the_process_runs_once_for_a_file(clip, run_program):
    assert probe(clip).video.frames == 4

    run_program("raise SystemExit(9)")

    assert probe(clip).video.frames == 4
