"""The result is exactly as long as its voice, at the clip's own rate, in sync."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor

import cv2
import numpy as np
import pytest

from models.errors import InputRejected
from models.video import sound
from tests.models.lipsync.harness import PAINTED, RATE, SIZE, Painter, film, run, voice, whites
from tests.models.video import media

NTSC = Fraction(30000, 1001)
PAL = Fraction(25)


def numbered_clip(path, count, **options):
    return media.clip(path, [media.numbered(n, *SIZE) for n in range(count)], **options)


def shown(clip):
    """The numbers of the frames of a result, and the frames."""
    frames = film(clip.path)
    assert [time for time, _ in frames] == [n / clip.fps for n in range(clip.frames)]
    return [media.number_of(frame) for _, frame in frames], [frame for _, frame in frames]


def features(clip):
    samples = np.concatenate(list(sound.blocks(clip.path, rate=RATE)))
    return len(samples) / RATE, np.flatnonzero(np.abs(samples) > 0.3)[0] / RATE


@pytest.mark.parametrize("rate", [NTSC, PAL, Fraction(24000, 1001), Fraction(50)], ids=str)
@pytest.mark.parametrize("seconds", [1.0, 1.27])
def test_frames_rate_and_length_are_exact(tmp_path, rate, seconds):
    clip = numbered_clip(tmp_path / "clip.mp4", 70, fps=rate)

    result = run(tmp_path, voice(tmp_path / "voice.wav", seconds), video=clip)

    numbers, _ = shown(result)
    assert (result.fps, result.frames) == (rate, ceil(Fraction(str(seconds)) * rate))
    assert numbers == list(range(result.frames))
    assert result.duration_seconds == float(result.frames / rate)
    assert result.notes["fps_in"] == result.notes["fps_out"] == str(rate)


@pytest.mark.parametrize("rate", [NTSC, PAL], ids=str)
def test_mouth_and_sound_are_in_sync_to_the_end(tmp_path, rate):
    bursts = (0.5, 1.5, 3.5)
    clip = numbered_clip(tmp_path / "clip.mp4", 130, fps=rate)

    result = run(tmp_path, voice(tmp_path / "voice.wav", 4, bursts), video=clip)

    seconds, first = features(result)
    painted = set(whites(shown(result)[1]))
    expected = {
        n
        for b in bursts
        for n in range(floor(b * rate), ceil((Fraction(b) + Fraction("0.08")) * rate))
    }
    assert painted == expected
    assert abs(first - 0.5) < 0.005
    assert abs(seconds - 4) < 0.03


def test_the_end_of_the_voice_has_a_frame(tmp_path):
    clip = numbered_clip(tmp_path / "clip.mp4", 40)

    result = run(tmp_path, voice(tmp_path / "voice.wav", 1.3, bursts=(1.22,)), video=clip)

    assert result.frames == 33
    assert whites(shown(result)[1])[-1] == 32
    assert features(result)[0] >= 1.3


def test_a_variable_rate_becomes_constant_without_drift(tmp_path):
    steps = [*[1] * 20, *[3] * 10, *[2] * 15]
    times = np.cumsum([0, *steps])[:-1].tolist()
    clip = numbered_clip(
        tmp_path / "clip.mp4", len(times), fps=Fraction(30), times=times, time_base=Fraction(1, 30)
    )

    result = run(tmp_path, voice(tmp_path / "voice.wav", 2.4, (2.0,)), video=clip)

    numbers, frames = shown(result)
    latest = [max(n for n, time in enumerate(times) if time <= at) for at in range(len(numbers))]
    assert result.fps == 30
    assert numbers == latest
    assert whites(frames)[0] == floor(2 * result.fps)
    assert result.frames == 72


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_rotated_video_becomes_upright(tmp_path, turn):
    turns = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
    stored = [cv2.rotate(media.numbered(n, *SIZE), turns[turn]) for n in range(12)]
    clip = media.clip(tmp_path / "clip.mp4", stored, turn=turn)

    result = run(tmp_path, voice(tmp_path / "voice.wav", 0.48, (0.2,)), video=clip)

    numbers, frames = shown(result)
    assert (result.width, result.height) == SIZE
    assert numbers == list(range(12))
    assert whites(frames) == [5, 6]


def test_the_sound_of_the_face_video_is_dropped(tmp_path):
    own = (RATE, media.tone(1, RATE, level=0.9).astype(np.float32))
    mute = numbered_clip(tmp_path / "mute.mp4", 25)
    loud = numbered_clip(tmp_path / "loud.mp4", 25, sound=own)
    audio = voice(tmp_path / "voice.wav", 0.6, (0.4,))

    for clip in (mute, loud):
        result = run(tmp_path, audio, video=clip)
        assert (result.has_audio, result.frames) == (True, 15)
        assert abs(features(result)[1] - 0.4) < 0.005


def test_a_video_without_sound_is_refused_as_the_voice(tmp_path):
    mute = numbered_clip(tmp_path / "mute.mp4", 25)

    with pytest.raises(InputRejected) as refused:
        run(tmp_path, mute, video=mute)

    assert (refused.value.code, refused.value.field) == ("no_sound", "audio")


def test_the_sound_of_a_video_can_be_the_voice(tmp_path):
    samples = np.concatenate((media.tone(0.5, RATE, level=0.05), media.tone(0.5, RATE, level=0.8)))
    speaker = numbered_clip(tmp_path / "speaker.mp4", 25, sound=(RATE, samples))

    result = run(tmp_path, speaker, video=numbered_clip(tmp_path / "clip.mp4", 30))

    assert result.frames in {25, 26, 27}
    assert abs(whites(shown(result)[1])[0] - 12) <= 1


LOOPS = {
    "ping_pong": [*range(10), *range(8, -1, -1), *range(1, 10), *range(8, 6, -1)],
    "repeat": [*range(10), *range(10), *range(10)],
    "hold": [*range(10), *[9] * 20],
}


@pytest.mark.parametrize("loop", LOOPS)
def test_a_voice_longer_than_the_video_loops_it(tmp_path, loop):
    clip = numbered_clip(tmp_path / "clip.mp4", 10)

    result = run(tmp_path, voice(tmp_path / "voice.wav", 1.2, (1.0,)), video=clip, loop=loop)

    numbers, frames = shown(result)
    assert numbers == LOOPS[loop]
    assert whites(frames) == [25, 26]


@pytest.mark.parametrize("loop", LOOPS)
def test_a_voice_shorter_than_the_clip_cuts_it(tmp_path, loop):
    clip = numbered_clip(tmp_path / "clip.mp4", 30)

    result = run(tmp_path, voice(tmp_path / "voice.wav", 0.4), video=clip, loop=loop)

    assert shown(result)[0] == list(range(10))


@pytest.mark.parametrize(("offset", "first"), [(0, 10), (200, 5), (-200, 15)])
def test_an_offset_moves_the_mouth_and_not_the_sound(tmp_path, offset, first):
    clip = numbered_clip(tmp_path / "clip.mp4", 30)
    audio = voice(tmp_path / "voice.wav", 1.2, (0.4,))

    result = run(tmp_path, audio, video=clip, audio_offset_ms=offset)

    assert whites(shown(result)[1])[0] == first
    assert abs(features(result)[1] - 0.4) < 0.005


@pytest.mark.parametrize("fps", [10, 25, 60])
def test_a_photo_is_animated_at_the_requested_rate(tmp_path, fps):
    photo = tmp_path / "photo.png"
    cv2.imwrite(str(photo), media.numbered(77, *SIZE))

    result = run(tmp_path, voice(tmp_path / "voice.wav", 1.0, (0.5,)), image=photo, fps=fps)

    numbers, frames = shown(result)
    assert (result.fps, result.frames, set(numbers)) == (fps, fps, {77})
    assert whites(frames)[0] == fps // 2
    assert "fps_in" not in result.notes


def test_a_larger_video_is_scaled_together_with_the_region(tmp_path):
    clip = media.clip(tmp_path / "clip.mp4", [media.numbered(n, 320, 192) for n in range(10)])
    double = {side: 2 * place for side, place in PAINTED.items()}

    result = run(
        tmp_path, voice(tmp_path / "voice.wav", 0.4), video=clip, max_side=160, region=double
    )

    assert (result.width, result.height) == SIZE
    assert whites(shown(result)[1]) == [5, 6]


def test_the_mouth_is_not_animated_in_pauses_with_any_blend(tmp_path):
    samples = np.concatenate((media.tone(0.6, RATE, level=0.8), np.zeros(RATE)))
    audio = media.wav(tmp_path / "voice.wav", samples, RATE)
    clip = numbered_clip(tmp_path / "clip.mp4", 45)

    for blend in ("box", "feather"):
        network = Painter()
        result = run(
            tmp_path, audio, video=clip, network=network, blend=blend, rest_in_silence=True
        )
        last = shown(result)[1][-1]
        assert np.abs(last.astype(int) - media.numbered(39, *SIZE)).mean() < 6
        assert network.faces < 25
