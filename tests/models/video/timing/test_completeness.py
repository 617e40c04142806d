"""A file that is cut off is refused with the seconds that are missing; a whole one never is."""

from __future__ import annotations

import re

import pytest
from PIL import Image

from models.errors import InputRejected
from models.video import sound
from models.video.decoding.timed_frames import timed_frames
from models.video.probe import probe
from runtime.truncation.detect import missing_end
from tests.models.lipsync.harness import run, voice
from tests.models.video import media

SECONDS, KEPT = 8, 0.6
CLIPS = {
    "clip.mkv": "libx264",
    "clip.webm": "libvpx",
    "clip.avi": "mpeg4",
    "clip.flv": "libx264",
    "clip.mp4": "libx264",
}
VOICES = {
    "voice.wav": ("pcm_s16le", 16_000),
    "voice.w64": ("pcm_s16le", 16_000),
    "voice.caf": ("pcm_s16be", 16_000),
    "voice.aiff": ("pcm_s16be", 16_000),
    "voice.au": ("pcm_s16be", 16_000),
    "voice.flac": ("flac", 16_000),
    "voice.mp3": ("libmp3lame", 16_000),
    "stereo.mp3": ("libmp3lame", 44_100),
    "voice.mka": ("libopus", 48_000),
    "voice.m4a": ("aac", 16_000),
}
OF_BYTES = "the last 3.[012] of 8.[01] seconds are missing"
AT_THE_END = dict.fromkeys(("clip.mp4", "voice.m4a"), "no index") | {
    "voice.flac": "the last 3.[0-9] of 8.0 seconds are missing",
    "clip.flv": "the last 3.[0-9] of 8.[01] seconds are missing",
}


def clip(folder, name, **options):
    pictures = [media.numbered(n) for n in range(25 * SECONDS)]
    return media.clip(folder / name, pictures, codec=CLIPS[name], **options)


def recording(folder, name):
    codec, rate = VOICES[name]
    layout = "stereo" if name.startswith("stereo") else "mono"
    samples = media.tone(SECONDS, rate)
    samples = [samples, samples] if layout == "stereo" else samples
    return media.sound(folder / name, samples, rate, codec=codec, layout=layout)


def cut(path, kept=KEPT):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    return path


def heard(path):
    return sum(map(len, sound.blocks(path)))


@pytest.mark.parametrize("name", CLIPS)
def test_a_clip_that_is_cut_off_is_refused(tmp_path, name):
    whole = clip(tmp_path, name)
    assert probe(whole).video.duration_seconds == pytest.approx(SECONDS, abs=0.2)

    with pytest.raises(InputRejected, match=AT_THE_END.get(name, OF_BYTES)) as refusal:
        probe(cut(whole))

    assert refusal.value.code == "media_unreadable"
    assert "Send the complete file." in str(refusal.value)


@pytest.mark.parametrize("name", VOICES)
def test_a_voice_that_is_cut_off_is_refused(tmp_path, name):
    whole = recording(tmp_path, name)
    assert heard(whole) == pytest.approx(16_000 * SECONDS, rel=0.02)

    with pytest.raises(InputRejected, match=AT_THE_END.get(name, OF_BYTES)) as refusal:
        heard(cut(whole))

    assert refusal.value.code == "media_unreadable"


def test_an_mp4_with_its_index_first_tells_the_seconds(tmp_path):
    path = tmp_path / "clip.mp4"
    media.write(path, (media.numbered(n) for n in range(25 * SECONDS)))
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    end = content.index(b"mdat") + (len(content) - content.index(b"mdat")) * 6 // 10
    path.write_bytes(content[:end])

    with pytest.raises(InputRejected, match=r"the last 3\.2 of 8\.0 seconds are missing"):
        probe(path)


def test_an_mp4_in_fragments_is_cut_off_within_its_last_one(tmp_path):
    path = tmp_path / "clip.mp4"
    pictures = [media.numbered(n) for n in range(50)]
    media.clip(path, pictures, container_options={"movflags": "frag_keyframe+empty_moov"})
    whole = path.read_bytes()
    assert probe(path).video.frames == 50

    path.write_bytes(whole[: whole.rindex(b"mdat") + 40])

    with pytest.raises(InputRejected, match=r"cut off: its last [\d,]+ bytes are missing"):
        probe(path)


@pytest.mark.parametrize("stated", [0, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF024, 0xFFFFFFDB])
def test_a_wav_from_a_pipe_states_no_length(tmp_path, stated):
    path = media.wav(tmp_path / "voice.wav", media.tone(1, 8000), 8000)
    content = bytearray(path.read_bytes())
    content[40:44] = stated.to_bytes(4, "little")
    path.write_bytes(content)

    assert heard(path) == 16_000


@pytest.mark.parametrize("extra", [1, 36, 44])
def test_a_wav_whose_size_counts_its_header_is_whole(tmp_path, extra):
    path = media.wav(tmp_path / "voice.wav", media.tone(1, 8000), 8000)
    content = bytearray(path.read_bytes())
    content[40:44] = (16_000 + extra).to_bytes(4, "little")
    path.write_bytes(content)

    assert heard(path) == 16_000


@pytest.mark.parametrize("name", ["voice.wav", "voice.mp3", "clip.mp4", "clip.mkv"])
def test_what_other_programs_append_does_not_matter(tmp_path, name):
    path = clip(tmp_path, name) if name in CLIPS else recording(tmp_path, name)
    path.write_bytes(path.read_bytes() + b"TAG" + bytes(125) + b"\xff" * 50)

    assert missing_end(path) is None


def test_a_live_webm_states_no_length(tmp_path):
    path = clip(tmp_path, "clip.webm", container_options={"live": "1"})

    assert missing_end(cut(path)) is None


@pytest.mark.parametrize("field", ["audio", "video"])
def test_no_half_result_is_made_of_half_a_file(tmp_path, field):
    files = {
        "audio": voice(tmp_path / "voice.wav", 2),
        "video": clip(tmp_path, "clip.mkv"),
    }
    cut(files[field])

    with pytest.raises(InputRejected, match="cut off") as refusal:
        run(tmp_path, files["audio"], video=files["video"])

    assert refusal.value.field == field
    assert not (tmp_path / "out.mp4").exists()


def test_every_cut_of_a_file_is_judged_without_an_error(tmp_path):
    """Headers that are cut themselves are left to the decoder."""
    whole = {name: clip(tmp_path, name).read_bytes() for name in CLIPS}
    whole |= {name: recording(tmp_path, name).read_bytes() for name in VOICES}
    for name, content in whole.items():
        for size in range(min(len(content), 400)):
            (tmp_path / name).write_bytes(content[:size])
            found = missing_end(tmp_path / name)
            assert found is None or re.match("the file is cut off: ", str(found))


ANIMATIONS = ["clip.gif", "clip.png", "clip.webp"]


def animation(path):
    first, *others = (Image.fromarray(media.numbered(n)) for n in range(20))
    first.save(path, save_all=True, append_images=others, duration=100)
    return path


@pytest.mark.parametrize("name", ANIMATIONS)
def test_an_animation_that_is_cut_off_is_refused(tmp_path, name):
    whole = animation(tmp_path / name)
    assert len(list(timed_frames(whole))) == 20

    for look in (probe, lambda path: list(timed_frames(path))):
        with pytest.raises(InputRejected, match=r"cut off: its last [\d,]+ bytes are missing"):
            look(cut(whole))


def test_a_gif_without_its_trailer_is_whole(tmp_path):
    path = animation(tmp_path / "clip.gif")
    path.write_bytes(path.read_bytes().removesuffix(b";"))

    assert missing_end(path) is None


def test_a_clip_that_is_read_frame_by_frame_is_refused_too(tmp_path):
    with pytest.raises(InputRejected, match="cut off"):
        list(timed_frames(cut(clip(tmp_path, "clip.mkv"))))
