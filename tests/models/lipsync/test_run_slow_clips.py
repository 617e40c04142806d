"""Lips move 24 times a second or more over a clip that is slow or of a variable rate."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

import pytest

from tests.models.lipsync.harness import SIZE, film, run, voice, whites
from tests.models.lipsync.slow_clips import CLIPS, assert_each_frame_is_shown_at_its_time
from tests.models.video import media

RATES = {"slides": 24, "screen": 25, "phone": 30, "gif": 28}


@pytest.mark.parametrize("kind", CLIPS)
def test_lips_move_at_a_fluent_rate_and_each_frame_is_shown_at_its_time(tmp_path, kind):
    clip, times = CLIPS[kind](tmp_path / "clip")

    result = run(tmp_path, voice(tmp_path / "voice.wav", 1.5, (0.2, 0.6)), video=clip)

    assert (result.fps, result.frames) == (RATES[kind], ceil(1.5 * RATES[kind]))
    assert_each_frame_is_shown_at_its_time(result, times)
    frames = [frame for _, frame in film(result.path)]
    moments = [n / result.fps for n in whites(frames)]
    first, second = ([m for m in moments if abs(m - burst - 0.04) < 0.08] for burst in (0.2, 0.6))
    assert {len(first), len(second)} <= {2, 3, 4}
    assert moments == first + second
    assert result.notes["fps_out"] == str(result.fps)


@pytest.mark.parametrize("fps", [24, 25, 50, 12])
def test_the_requested_rate_counts_for_a_clip(tmp_path, fps):
    clip = media.clip(tmp_path / "clip.mp4", [media.numbered(n, *SIZE) for n in range(30)])
    times = [Fraction(n, 25) for n in range(30)]

    result = run(tmp_path, voice(tmp_path / "voice.wav", 1, (0.5,)), video=clip, fps=fps)

    assert (result.fps, result.frames) == (fps, fps)
    assert_each_frame_is_shown_at_its_time(result, times)
    assert (result.notes["fps_in"], result.notes["fps_out"]) == ("25", str(fps))


@pytest.mark.parametrize("loop", ["ping_pong", "repeat", "hold"])
def test_a_slow_clip_is_looped_with_its_times(tmp_path, loop):
    clip = media.clip(
        tmp_path / "clip.mp4", [media.numbered(n, *SIZE) for n in range(3)], fps=Fraction(8)
    )
    shown = {
        "ping_pong": [0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2, 1, 1, 1, 0, 0],
        "repeat": [0, 0, 0, 1, 1, 1, 2, 2, 2, 0, 0, 0, 1, 1, 1, 2],
        "hold": [0, 0, 0, 1, 1, 1, *[2] * 10],
    }

    result = run(tmp_path, voice(tmp_path / "voice.wav", 16 / 24), video=clip, loop=loop)

    assert result.fps == 24
    assert [media.number_of(frame) for _, frame in film(result.path)] == shown[loop]
