import cv2
import numpy as np
import pytest

from tests.models.preview_lipsync.preview_media import FACES, RATE, write_film, write_wav

PHOTO = FACES["smiling"].path


@pytest.fixture
def faceless(tmp_path):
    path = tmp_path / "wall.png"
    cv2.imwrite(str(path), np.full((200, 200, 3), 128, np.uint8))
    return path


def test_a_photo_without_a_face_is_refused(generate, faceless, short_voice, refused):
    with refused("no_face", "image"):
        generate(short_voice, image=faceless)


def test_a_silent_voice_is_refused(generate, tmp_path, refused):
    silence = write_wav(tmp_path / "silence.wav", np.zeros(RATE))

    with refused("audio_silent", "audio"):
        generate(silence, image=PHOTO)


def test_a_voice_without_an_audio_track_is_refused(generate, tmp_path, refused):
    mute = write_film(tmp_path / "mute.mp4", [np.zeros((64, 64, 3), np.uint8)] * 5, 25)

    with refused("no_sound", "audio"):
        generate(mute, image=PHOTO)


def test_a_voice_that_is_not_media_is_refused(generate, tmp_path, refused):
    text = tmp_path / "voice.wav"
    text.write_text("this is not a sound")

    with refused("media_unreadable", "audio"):
        generate(text, image=PHOTO)


def test_an_image_that_is_not_media_is_refused(generate, tmp_path, short_voice, refused):
    text = tmp_path / "face.jpg"
    text.write_text("this is not a picture")

    with refused("media_unreadable", "image"):
        generate(short_voice, image=text)


def test_a_photo_as_video_input_is_refused(generate, short_voice, refused):
    with refused("media_unreadable", "video"):
        generate(short_voice, video=PHOTO)


def test_a_tiny_clip_is_refused(generate, tmp_path, short_voice, refused):
    tiny = write_film(tmp_path / "tiny.mp4", [np.zeros((32, 32, 3), np.uint8)] * 5, 25)

    with refused("too_small", "video"):
        generate(short_voice, video=tiny)
