"""Lengths as headers state them."""

from __future__ import annotations

import base64

import pytest

from models.examples import CLIP
from runtime.truncation.length import stated_seconds
from tests.api.build import png, wav


@pytest.mark.parametrize("seconds", [0.5, 12.25])
def test_the_length_of_a_wav_is_read(tmp_path, seconds):
    path = tmp_path / "voice"
    path.write_bytes(wav(seconds))

    assert stated_seconds(path) == pytest.approx(seconds)


@pytest.mark.parametrize("content", [b"", b"RIFF", wav()[:40], png(), b"ID3" + bytes(100)])
def test_a_file_that_states_none_has_none(tmp_path, content):
    path = tmp_path / "voice"
    path.write_bytes(content)

    assert stated_seconds(path) is None


def test_the_length_of_an_mp4_is_read(tmp_path):
    path = tmp_path / "clip"
    path.write_bytes(base64.b64decode(CLIP.partition(",")[2]))

    assert stated_seconds(path) == pytest.approx(1, abs=0.1)
