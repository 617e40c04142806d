import struct
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from models.errors import InputRejected
from models.video import source
from models.video.probe import probe
from tests.models.video import media


def ten(**values):
    return [media.numbered(index, **values) for index in range(10)]


@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30000, 1001), Fraction(24000, 1001)])
@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_a_constant_rate_is_reported_exactly(tmp_path, name, fps):
    path = media.clip(tmp_path / name, ten(), fps=fps)

    found = probe(path)

    assert found.video.fps == fps
    assert found.video.frames == 10
    assert found.video.duration_seconds == pytest.approx(10 / fps, abs=0.002)
    assert (found.audio, found.is_still) == (None, False)


def test_the_audio_track_of_a_video_is_found(tmp_path):
    samples = media.tone(0.4, 44_100)
    path = media.clip(tmp_path / "clip.mp4", ten(), sound=(44_100, samples))

    found = probe(path)

    assert (found.audio.rate, found.audio.channels) == (44_100, 1)
    assert found.audio.duration_seconds == pytest.approx(0.4, abs=0.03)


@pytest.mark.parametrize(("counterclockwise", "clockwise"), [(90, 270), (180, 180), (270, 90)])
def test_a_rotated_clip_has_its_displayed_size(tmp_path, counterclockwise, clockwise):
    path = media.clip(tmp_path / "clip.mp4", ten(), turn=counterclockwise)

    found = probe(path).video

    assert found.rotation == clockwise
    assert (found.width, found.height) == ((160, 96) if clockwise == 180 else (96, 160))


def test_non_square_pixels_give_the_displayed_size(tmp_path):
    path = media.clip(tmp_path / "clip.mp4", ten(), shape=Fraction(3, 2))

    assert (probe(path).video.width, probe(path).video.height) == (240, 96)


def test_the_duration_of_a_variable_rate_clip_includes_its_last_frame(tmp_path):
    times = [0, 40, 80, 500, 540, 580, 620, 660, 700, 1000]
    path = media.clip(tmp_path / "clip.mp4", ten(), times=times, time_base=Fraction(1, 1000))

    assert probe(path).video.duration_seconds == pytest.approx(1.04, abs=0.1)


@pytest.mark.parametrize(
    ("name", "codec"), [("song.mp3", "libmp3lame"), ("song.mp4", "aac"), ("song.flac", "flac")]
)
def test_cover_art_is_not_a_video(tmp_path, name, codec):
    cover = np.full((128, 128, 3), 90, np.uint8)
    samples = media.tone(1, 44_100)
    path = media.sound(tmp_path / name, samples, 44_100, codec=codec, cover=cover)

    found = probe(path)

    assert found.video is None
    assert found.audio.duration_seconds == pytest.approx(1, abs=0.06)


@pytest.mark.parametrize("stated", [0xFFFFFFFF, 0])
def test_the_duration_of_a_wav_does_not_depend_on_its_header(tmp_path, stated):
    path = media.wav(tmp_path / "voice.wav", media.tone(2, 8000), 8000)
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = struct.pack("<I", stated)
    path.write_bytes(content)

    assert probe(path).audio.duration_seconds == pytest.approx(2, abs=0.01)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"])
def test_an_image_is_a_still(tmp_path, kind):
    path = tmp_path / "photo"
    Image.new("RGB", (120, 80), "teal").save(path, kind)

    found = probe(path)

    assert found.is_still
    assert (found.video, found.audio) == (None, None)


def test_an_animated_gif_is_a_video(tmp_path):
    path = tmp_path / "moving.gif"
    pictures = [Image.new("RGB", (80, 80), colour) for colour in ("red", "green", "blue")]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=100)

    found = probe(path)

    assert not found.is_still
    assert (found.video.frames, found.video.fps) == (3, 10)


def test_the_file_name_is_ignored(tmp_path):
    path = media.clip(tmp_path / "clip.mp4", ten()).rename(tmp_path / "photo.jpg")

    assert probe(path).video.frames == 10


HOSTILE = {
    "playlist": b"#EXTM3U\n#EXTINF:10,\n{neighbour}\n#EXT-X-ENDLIST\n",
    "playlist of the web": b"#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n",
    "concat script": b"ffconcat version 1.0\nfile '{neighbour}'\n",
    "session description": b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\n",
    "manifest": b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>',
    "vector picture": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="{neighbour}"/></svg>',
    "page": b"<!doctype html><html><video src='{neighbour}'></video></html>",
    "page in UTF-16": "<html></html>".encode("utf-16"),
    "document": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj",
    "archive": b"PK\x03\x04" + bytes(60),
    "text": b"hello",
    "nothing": b"",
    "zeros": bytes(5000),
    "a bare EBML head": b"\x1aE\xdf\xa3" + bytes(200),
    "a bare MP4 head": b"\x00\x00\x00\x18ftypmp42" + bytes(200),
    "a bare WAV head": b"RIFF\xff\xff\xff\xffWAVE",
    "an MP3 of noise": b"\xff\xfb\x90\x64" + b"\x55" * 5000,
    "an ID3 tag before text": b"ID3\x04\x00\x00\x00\x00\x00\x0a" + bytes(10) + b"#EXTM3U\nx.ts",
}


@pytest.mark.parametrize("name", [*HOSTILE])
def test_a_file_that_is_not_media_is_refused(tmp_path, name):
    neighbour = media.wav(tmp_path / "neighbour.wav", media.tone(1, 8000), 8000)
    path = tmp_path / "voice.wav"
    path.write_bytes(HOSTILE[name].replace(b"{neighbour}", str(neighbour).encode()))

    with pytest.raises(InputRejected) as refusal:
        probe(path)

    assert (refusal.value.code, refusal.value.field) == ("media_unreadable", None)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.webm"])
def test_a_clip_truncated_in_its_header_is_refused(tmp_path, name):
    codec = "libvpx" if name.endswith("webm") else "libx264"
    path = media.clip(tmp_path / name, ten(), codec=codec, options={"g": "5"})
    path.write_bytes(path.read_bytes()[:300])

    with pytest.raises(InputRejected, match="complete"):
        probe(path)


def test_a_missing_file_raises_file_not_found(tmp_path):
    with pytest.raises(FileNotFoundError):
        probe(tmp_path / "missing.mp4")


def test_frames_too_large_to_decode_are_refused(tmp_path, monkeypatch):
    path = media.clip(tmp_path / "clip.mp4", ten())
    monkeypatch.setattr(source, "MAX_PIXELS", 160 * 96 - 1)

    with pytest.raises(InputRejected) as refusal:
        probe(path)

    assert refusal.value.code == "too_large"


def test_a_clip_of_one_frame_is_still_a_video(tmp_path):
    path = media.clip(tmp_path / "clip.mp4", [media.numbered(0)])

    assert (probe(path).is_still, probe(path).video.frames) == (False, 1)
