from fractions import Fraction

import numpy as np
import pytest

from tests.models.preview_lipsync.preview_media import RATE, moving, read_film, read_wav, write_film

GREEN = (60, 120, 90)


@pytest.fixture(scope="module")
def frames(smiling):
    return moving(smiling, 60)


@pytest.fixture
def clip(frames, tmp_path):
    return write_film(tmp_path / "clip.mp4", frames, Fraction(30000, 1001))


def test_the_result_has_the_rate_of_the_clip_and_the_length_of_the_voice(
    generate, clip, short_voice
):
    result = generate(short_voice, video=clip)

    assert result.fps == Fraction(30000, 1001)
    assert result.frames == len(read_film(result.path)) == 60
    assert (result.width, result.height, result.has_audio) == (320, 320, True)


def test_the_mouth_of_a_moving_face_follows_the_loudness_of_the_voice(generate, clip, short_voice):
    result = generate(short_voice, video=clip)

    change = np.abs(read_film(result.path).astype(np.float32) - read_film(clip)).mean(
        axis=(1, 2, 3)
    )
    cuts = np.arange(1, result.frames) * RATE * 1001 // 30000
    loudness = [np.sqrt((part**2).mean()) for part in np.split(read_wav(short_voice), cuts)]
    assert np.corrcoef(change, loudness)[0, 1] > 0.7
    assert result.notes == {"frames_without_face": 0, "frames_with_guessed_mouth": 0}


def test_frames_without_a_face_are_unchanged_and_counted(generate, frames, tmp_path, short_voice):
    empty = np.full_like(frames[0], GREEN)
    gap = write_film(tmp_path / "gap.mp4", [*frames[:20], *[empty] * 15, *frames[35:]], 30)

    result = generate(short_voice, video=gap)

    assert 15 <= result.notes["frames_without_face"] <= 17
    assert read_film(result.path)[20:35].std(axis=(1, 2)).max() < 1.5


@pytest.mark.parametrize("loop", ["ping_pong", "repeat", "hold"])
def test_a_clip_shorter_than_the_voice_is_looped(generate, frames, tmp_path, short_voice, loop):
    short = write_film(tmp_path / "short.mp4", frames[:15], 10)

    result = generate(short_voice, video=short, loop=loop)

    assert (result.fps, result.frames) == (30, 60)


def test_lips_move_many_times_a_second_over_a_slide_show(generate, frames, tmp_path, short_voice):
    slides = write_film(tmp_path / "slides.mp4", [frames[0]] * 3, 1)

    result = generate(short_voice, video=slides)

    film = read_film(result.path).astype(np.float32)
    moved = np.abs(np.diff(film, axis=0)).max(axis=(1, 2, 3)) > 12
    assert (result.fps, result.frames) == (24, 48)
    assert moved[:24].sum() > 12


def test_the_requested_rate_counts_for_a_clip(generate, clip, short_voice):
    assert generate(short_voice, video=clip, fps=24).frames == 48


def test_a_clip_without_a_face_is_refused(generate, tmp_path, short_voice, refused):
    empty = [np.full((128, 128, 3), GREEN, np.uint8)] * 10
    faceless = write_film(tmp_path / "faceless.mp4", empty, 10)

    with refused("no_face", "video"):
        generate(short_voice, video=faceless)

    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize("loop", ["ping_pong", "repeat", "hold"])
def test_a_clip_without_a_face_fails_after_its_first_pass(
    generate, tmp_path, short_voice, refused, loop
):
    empty = [np.full((128, 128, 3), GREEN, np.uint8)] * 5
    faceless = write_film(tmp_path / "faceless.mp4", empty, 25)
    drawn = []

    with refused("no_face", "video"):
        generate(
            short_voice,
            video=faceless,
            loop=loop,
            report=lambda stage, done=0, total=None, **_: drawn.append(done),
        )

    assert max(drawn) <= 5
