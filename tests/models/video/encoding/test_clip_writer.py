"""Each format of a clip with alpha is written and read back with a decoder that keeps alpha."""

import inspect
import io
import re
import resource
import wave
import zipfile
from dataclasses import replace
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from models.video import sound
from models.video.encoding.clip_writer import ClipFormat, clip_writer
from models.video.encoding.timed_writer import TimedWriter
from models.video.encoding.video_encodings import PRORES_4444
from tests.models.video import media

WIDTH, HEIGHT = 160, 96
STEADY = [Fraction(n, 25) for n in range(10)]
VARIABLE = [Fraction(n, 1000) for n in (0, 40, 80, 200, 240, 1000, 1033, 1080, 1400, 1500)]
NTSC = [Fraction(n * 1001, 30_000) for n in range(10)]
ALPHA = [ClipFormat.WEBM, ClipFormat.MOV, ClipFormat.PNG_ZIP]
LAST = Fraction(1, 10)
"""Seconds that the last frame is shown."""


def disc(number, width=WIDTH, height=HEIGHT):
    """RGBA: a color gradient, and a disc with a soft edge that moves to the right."""
    y, x = np.mgrid[0:height, 0:width]
    distance = np.hypot(x - 40 - 6 * number, y - height / 2)
    image = np.zeros((height, width, 4), np.uint8)
    image[..., 0], image[..., 1], image[..., 2] = 200, x * 255 // width, y * 255 // height
    image[..., 3] = np.clip(8 * (36 - distance), 0, 255)
    return image


def written(path, format, begins=STEADY, pictures=None, **values):
    pictures = pictures or [disc(number) for number in range(len(begins))]
    height, width = pictures[0].shape[:2]
    ends = [*begins[1:], begins[-1] + LAST]
    with clip_writer(format, path, width=width, height=height, **values) as writer:
        for picture, begin, end in zip(pictures, begins, ends, strict=True):
            writer.write(picture, begin, end - begin)
    return writer.result({"source": "test"})


def read(path, format):
    """RGBA frames with their begins, and the end of the last one; by libvpx, which keeps alpha."""
    if format is ClipFormat.PNG_ZIP:
        return read_zip(path)
    pictures, begins = [], []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        decoder = stream.codec_context
        if format is ClipFormat.WEBM:
            assert stream.metadata["alpha_mode"] == "1"
            decoder = av.CodecContext.create("libvpx-vp9", "r")
        for packet in container.demux(stream):
            for frame in decoder.decode(packet if packet.size else None):
                rgba = frame.reformat(format="rgba", src_colorspace=1, dst_color_range=2)
                pictures.append(rgba.to_ndarray())
                begins.append(frame.pts * stream.time_base)
                end = begins[-1] + frame.duration * stream.time_base
    return pictures, begins, end


def read_zip(path):
    with zipfile.ZipFile(path) as file:
        first, *lines = file.read("frames.ffconcat").decode().splitlines()
        assert first == "ffconcat version 1.0"
        pictures, begins, end = [], [], Fraction(0)
        for name, length in zip(lines[::2], lines[1::2], strict=True):
            png = np.frombuffer(file.read(name.removeprefix("file ")), np.uint8)
            bgra = cv2.imdecode(png, cv2.IMREAD_UNCHANGED)
            order = cv2.COLOR_BGRA2RGBA if bgra.shape[2] == 4 else cv2.COLOR_BGR2RGBA
            pictures.append(cv2.cvtColor(bgra, order))
            begins.append(end)
            end += Fraction(length.removeprefix("duration "))
    return pictures, begins, end


@pytest.fixture
def voice(tmp_path):
    return media.wav(tmp_path / "voice.wav", media.tone(5, 16_000), 16_000)


@pytest.mark.parametrize("format", ALPHA)
def test_alpha_and_color_are_kept(tmp_path, format):
    written(tmp_path / "clip", format)

    pictures, _, _ = read(tmp_path / "clip", format)

    assert len(pictures) == len(STEADY)
    for number, picture in enumerate(pictures):
        wanted = disc(number).astype(int)
        error = np.abs(picture - wanted)
        assert error[..., 3].mean() < 0.2
        assert error[..., 3].max() <= 20
        assert error[wanted[..., 3] > 0][:, :3].mean() < 2.5


@pytest.mark.parametrize("begins", [STEADY, VARIABLE, NTSC], ids=["steady", "variable", "ntsc"])
@pytest.mark.parametrize("format", ClipFormat)
def test_each_frame_keeps_its_time(tmp_path, format, begins):
    result = written(tmp_path / "clip", format, begins)

    _, got, end = read(tmp_path / "clip", format)

    exact = format in {ClipFormat.MOV, ClipFormat.MP4}
    allowed = 0 if exact else Fraction(1, 1000)
    assert len(got) == len(begins)
    assert max(abs(a - b) for a, b in zip(got, begins, strict=True)) <= allowed
    assert abs(end - begins[-1] - LAST) <= allowed
    assert result.frames == len(begins)
    assert result.duration_seconds == pytest.approx(float(begins[-1] + LAST))


@pytest.mark.parametrize("format", ClipFormat)
def test_the_sound_is_kept_up_to_the_last_frame(tmp_path, format, voice):
    result = written(tmp_path / "clip", format, sound=voice)
    path = tmp_path / "clip"
    if format is ClipFormat.PNG_ZIP:
        with zipfile.ZipFile(path) as file:
            path = tmp_path / "sound.wav"
            path.write_bytes(file.read("sound.wav"))

    samples = np.concatenate(list(sound.blocks(path)))

    assert result.has_audio
    assert abs(len(samples) / 16_000 - float(STEADY[-1] + LAST)) < 0.001
    tone = media.tone(1, 16_000)[800 : len(samples) - 800]
    assert np.abs(samples[800:-800] - tone).max() < 0.05


@pytest.mark.parametrize("format", ClipFormat)
def test_without_sound_there_is_no_track(tmp_path, format):
    assert not written(tmp_path / "clip", format).has_audio
    if format is ClipFormat.PNG_ZIP:
        with zipfile.ZipFile(tmp_path / "clip") as file:
            assert "sound.wav" not in file.namelist()
    else:
        with av.open(str(tmp_path / "clip")) as container:
            assert not container.streams.audio


def test_a_zip_holds_a_sound_that_the_standard_library_reads(tmp_path, voice):
    written(tmp_path / "clip.zip", ClipFormat.PNG_ZIP, sound=voice)

    with (
        zipfile.ZipFile(tmp_path / "clip.zip") as file,
        wave.open(io.BytesIO(file.read("sound.wav"))) as track,
    ):
        assert file.testzip() is None
        assert (track.getframerate(), track.getnchannels()) == (48_000, 1)
        assert track.getnframes() == 48_000 * (STEADY[-1] + LAST)
    assert [found.name for found in sorted(tmp_path.iterdir())] == ["clip.zip", "voice.wav"]


@pytest.mark.parametrize("color", [(255, 255, 255), (10, 200, 90)])
def test_an_mp4_is_composited_on_the_color(tmp_path, color):
    written(tmp_path / "clip.mp4", ClipFormat.MP4, color=color)

    pictures, _, _ = read(tmp_path / "clip.mp4", ClipFormat.MP4)

    image = disc(0)
    share = image[..., 3:] / 255
    wanted = image[..., :3] * share + np.array(color) * (1 - share)
    assert np.abs(pictures[0][..., :3] - wanted).mean() < 3


@pytest.mark.parametrize("format", ClipFormat)
def test_rgb_is_opaque(tmp_path, format):
    picture = np.ascontiguousarray(disc(0)[..., :3])
    written(tmp_path / "clip", format, pictures=[picture] * 10)

    pictures, _, _ = read(tmp_path / "clip", format)

    assert pictures[5][..., 3].min() >= 254
    assert np.abs(pictures[5][..., :3] - picture.astype(int)).mean() < 2.5


@pytest.mark.parametrize("format", ClipFormat)
def test_an_odd_side_grows_only_where_chroma_is_subsampled(tmp_path, format):
    pictures = [disc(number, 101, 77) for number in range(10)]
    result = written(tmp_path / "clip", format, pictures=pictures)

    back, _, _ = read(tmp_path / "clip", format)

    even = format in {ClipFormat.WEBM, ClipFormat.MP4}
    assert (result.width, result.height) == ((102, 78) if even else (101, 77))
    assert back[0].shape[:2] == (result.height, result.width)


@pytest.mark.parametrize("format", ClipFormat)
def test_after_an_error_there_is_no_file(tmp_path, format, voice):
    def fail():
        with clip_writer(format, tmp_path / "clip", width=64, height=64, sound=voice) as writer:
            writer.write(np.zeros((64, 64, 4), np.uint8), Fraction(0), LAST)
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()

    assert [path.name for path in tmp_path.iterdir()] == ["voice.wav"]


@pytest.mark.parametrize("format", ClipFormat)
def test_a_disk_that_is_full_at_the_end_leaves_no_file(tmp_path, format):
    written(tmp_path / "clip", format)
    size = (tmp_path / "clip").stat().st_size
    (tmp_path / "clip").unlink()

    most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size - 10, most[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            written(tmp_path / "clip", format)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, most)

    assert list(tmp_path.iterdir()) == []


def test_a_container_that_cannot_be_opened_closes_the_sound(tmp_path, voice):
    unknown = replace(PRORES_4444, container="unknown")
    writer = TimedWriter(tmp_path / "clip", unknown, width=64, height=64, sound=voice)

    with pytest.raises(ValueError, match="unknown"):
        writer.__enter__()

    assert inspect.getgeneratorstate(writer._soundtrack._source) == inspect.GEN_CLOSED


def test_a_zip_that_cannot_be_opened_closes_the_sound(tmp_path, voice):
    path = tmp_path / "missing" / "clip"
    writer = clip_writer(ClipFormat.PNG_ZIP, path, width=64, height=64, sound=voice)

    with pytest.raises(FileNotFoundError):
        writer.__enter__()

    assert inspect.getgeneratorstate(writer._soundtrack._source) == inspect.GEN_CLOSED


@pytest.mark.parametrize("format", ClipFormat)
def test_a_clip_without_a_frame_is_an_error(tmp_path, format):
    with (
        pytest.raises(ValueError, match="at least one frame"),
        clip_writer(format, tmp_path / "clip", width=64, height=64),
    ):
        pass

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format", ClipFormat)
@pytest.mark.parametrize(
    ("begin", "duration"), [(Fraction(0), LAST), (Fraction(-1, 25), LAST), (LAST, Fraction(0))]
)
def test_times_must_rise(tmp_path, format, begin, duration):
    picture = np.zeros((64, 64, 4), np.uint8)
    with clip_writer(format, tmp_path / "clip", width=64, height=64) as writer:
        writer.write(picture, Fraction(0), LAST)

        with pytest.raises(ValueError, match="does not follow"):
            writer.write(picture, begin, duration)


@pytest.mark.parametrize("format", ClipFormat)
def test_equal_frames_give_equal_files(tmp_path, format, voice):
    for name in ("a", "b"):
        written(tmp_path / name, format, sound=voice)

    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_each_format_has_its_suffix_and_media_type():
    assert [(format.suffix, format.content_type) for format in ClipFormat] == [
        (".webm", "video/webm"),
        (".mov", "video/quicktime"),
        (".mp4", "video/mp4"),
        (".zip", "application/zip"),
    ]


def test_the_encoder_of_an_mp4_is_named_as_that_of_every_other(tmp_path, voice):
    """`Writer` and the clips state x264's version and the same settings in the same words."""
    silent = media.write(tmp_path / "a.mp4", [media.numbered(0)]).encoder
    clip = written(tmp_path / "b.mp4", ClipFormat.MP4).encoder
    spoken = written(tmp_path / "c.mp4", ClipFormat.MP4, sound=voice).encoder

    assert re.match(r"libx264 \d+, libavcodec ", silent)
    assert clip == f"{silent} bf=0"
    assert spoken == f"{silent} bf=0; aac 160000 bit/s"
