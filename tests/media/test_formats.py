"""What the door of the API takes for a field the decoders of a worker read, format by format."""

from __future__ import annotations

import re

import numpy as np
import pytest

from models.errors import InputRejected, unreadable_error
from models.video import frames, probe, sound
from models.video.still import read_still
from runtime.media import formats
from runtime.media.detection import identify, identify_file
from runtime.media.unsupported import describe
from storage.sniffing.images import check_image
from storage.sniffing.media import MediaRejected, check_media
from tests.media.samples import FRAMES, SAMPLES, SIDE, container, still

KINDS = ("image", "video", "audio")


def door(path, kind):
    """Whether the API takes the file for a field of this kind, before it has any decoder."""
    try:
        check_media(path, kind)
        if kind == "image":
            check_image(path)
    except MediaRejected:
        return False
    return True


def worker(path, kind):
    """Whether a worker can decode the file for a field of this kind."""
    try:
        if kind == "image":
            return read_still(path).shape == (SIDE, SIDE, 3)
        found = probe.probe(path)
        return (found.video if kind == "video" else found.audio) is not None
    except InputRejected:
        return False


@pytest.fixture
def file_of(tmp_path):
    def write(content):
        path = tmp_path / "upload"
        path.write_bytes(content)
        return path

    return write


def named(formats_):
    return [pytest.param(one, id=one.name) for one in formats_]


def test_there_is_a_sample_of_each_format():
    assert set(SAMPLES) == set(formats.FORMATS)


@pytest.mark.parametrize("one", named(formats.FORMATS))
def test_the_door_and_the_worker_agree_on_each_kind_of_field(one, file_of):
    path = file_of(SAMPLES[one]())

    assert identify_file(path) == one
    taken = {kind for kind in KINDS if door(path, kind)}
    readable = {kind for kind in KINDS if worker(path, kind)}
    assert taken == one.fields
    if one not in {formats.M4A, formats.OGG_AUDIO}:  # containers, here without a video
        assert readable == taken
    assert one.kind in readable


@pytest.mark.parametrize("one", named(one for one in formats.FORMATS if one.usable_as("video")))
def test_a_clip_is_read_with_its_motion_and_length(one, file_of):
    if one.kind == "audio":
        return
    path = file_of(SAMPLES[one]())
    found = probe.probe(path).video

    pictures = list(frames.frames(path))

    seconds = FRAMES / 10 if one.mime.startswith("image/") else 1
    assert (found.width, found.height) == (SIDE, SIDE)
    assert found.duration_seconds == pytest.approx(seconds, abs=0.11)
    assert len(pictures) / found.fps == pytest.approx(seconds, abs=0.11)
    assert np.abs(pictures[-1].astype(int) - pictures[0]).mean() > 20


@pytest.mark.parametrize("one", named(one for one in formats.FORMATS if one.usable_as("audio")))
def test_sound_is_read_with_its_length(one, file_of):
    path = file_of(SAMPLES[one]())

    samples = np.concatenate([np.ravel(block) for block in sound.blocks(path, rate=16_000)])

    assert len(samples) == pytest.approx(16_000, abs=1_700)
    assert np.abs(samples).max() > 0.1


def id3(content):
    size = len(content)
    length = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x04\x00\x00" + length + content


JUNK = {
    "a tag": id3(bytes(500)),
    "two tags": id3(bytes(100)) + id3(b"TIT2" + bytes(60)),
    "album art of 300 kB": id3(b"APIC" + still("JPEG") * 60 + bytes(300_000)),
    "zeros": bytes(3000),
    "a tag and zeros": id3(bytes(100)) + bytes(1000),
    "the rest of a cut frame": np.random.default_rng(1).bytes(417),
}


@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK)
@pytest.mark.parametrize("one", named([formats.MP3, formats.AAC]))
def test_sound_with_junk_before_its_first_frame_is_taken(one, junk, file_of):
    if one is formats.AAC and junk.startswith(bytes(10)):
        return  # no recorder is known that writes zeros before AAC
    path = file_of(junk + SAMPLES[one]())

    samples = np.concatenate([np.ravel(block) for block in sound.blocks(path, rate=16_000)])

    assert identify_file(path) == one
    assert check_media(path, "audio") == one
    assert len(samples) == pytest.approx(16_000, abs=2_500)


def test_a_file_of_nested_tags_ends():
    assert identify(id3(b"") * 6000) == formats.MP3


@pytest.mark.parametrize(
    "content", [bytes(70_000), b"PK\x03\x04" + b"\0" * 50 + (b"\xff\xfb\x90\x64" + bytes(413)) * 9]
)
def test_other_files_are_not_taken_for_sound_with_junk(content):
    assert identify(content) is None


def test_random_bytes_are_no_sound():
    source = np.random.default_rng(0)

    assert [identify(source.bytes(60_000)) for _ in range(40)] == [None] * 40


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("content", [b"%PDF-1.7", b"", b"\0\0\0\x18ftypheic" + bytes(16)])
def test_every_refusal_of_a_format_names_what_the_field_takes(kind, content):
    with pytest.raises(MediaRejected) as refused:
        check_media(content, kind)

    assert refused.value.message.endswith(f"; this field takes {formats.taken_for(kind)}")
    assert describe(content) in refused.value.message


def test_a_file_of_another_kind_is_refused_with_what_the_field_takes(file_of):
    path = file_of(SAMPLES[formats.WAV]())

    with pytest.raises(MediaRejected, match=r"an audio file \(WAV, audio/wav\), not an image; .*"):
        check_media(path, "image")


def test_what_a_worker_cannot_decode_is_refused_with_what_is_taken():
    for kind in KINDS:
        assert formats.taken_for(kind) in str(unreadable_error())


def test_the_remedy_for_a_heic_photo_is_named():
    assert re.search(r"send it as JPEG .*Most Compatible", describe(b"\0\0\0\x18ftypheic"))


@pytest.mark.parametrize("one", named([formats.ANIMATED_WEBP, formats.ANIMATED_AVIF]))
def test_a_damaged_animation_is_refused_and_leaves_no_file(one, tmp_path):
    path = tmp_path / "upload"
    path.write_bytes(SAMPLES[one]()[:700])

    with pytest.raises(InputRejected) as refused:
        probe.probe(path)

    assert refused.value.code == "media_unreadable"
    assert list(tmp_path.iterdir()) == [path]


def test_a_clip_without_sound_is_no_sound(file_of):
    path = file_of(container("mp4", "libx264"))

    assert door(path, "audio")
    assert not worker(path, "audio")
