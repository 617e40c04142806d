"""MuseTalk over clips that are slow or of a variable rate, with tiny networks."""

from __future__ import annotations

import pytest

from models.musetalk.lip_sync import MuseTalkSync
from tests.models.lipsync.harness import run, voice
from tests.models.lipsync.slow_clips import CLIPS, changes_of_the_mouth


@pytest.mark.parametrize("kind", CLIPS)
def test_lips_move_24_times_a_second_or_more(tmp_path, networks, kind):
    clip, _ = CLIPS[kind](tmp_path / "clip")
    audio = voice(tmp_path / "voice.wav", 0.6, (0.1, 0.2, 0.3))

    result = run(tmp_path, audio, video=clip, network=MuseTalkSync(networks))

    assert result.fps >= 24
    assert result.frames >= 0.6 * result.fps
    assert changes_of_the_mouth(result) >= 5
