"""Wav2Lip over clips that are slow or of a variable rate."""

from __future__ import annotations

import pytest
import torch

from models.lipsync.device import Device
from models.wav2lip.lip_sync import Wav2LipSync
from tests.models.lipsync.harness import run, voice
from tests.models.lipsync.slow_clips import (
    CLIPS,
    assert_each_frame_is_shown_at_its_time,
    changes_of_the_mouth,
)
from tests.models.wav2lip.test_lip_sync import Bright


@pytest.mark.parametrize("kind", CLIPS)
def test_lips_move_24_times_a_second_or_more(tmp_path, kind):
    clip, times = CLIPS[kind](tmp_path / "clip")
    audio = voice(tmp_path / "voice.wav", 1, (0.1, 0.2, 0.3))
    network = Wav2LipSync(Bright(), Device(torch.device("cpu"), torch.float32, 4))

    result = run(tmp_path, audio, video=clip, network=network)

    assert result.fps >= 24
    assert_each_frame_is_shown_at_its_time(result, times)
    assert changes_of_the_mouth(result) >= 5
