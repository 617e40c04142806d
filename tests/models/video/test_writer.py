import inspect
from fractions import Fraction
from itertools import pairwise
from math import ceil

import av
import numpy as np
import pytest

from models.errors import InputRejected
from models.video import sound
from models.video.frames import frames
from models.video.probe import probe
from models.video.writer import Writer
from tests.models.video import media


def numbered(count):
    return (media.numbered(index) for index in range(count))


@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30000, 1001), Fraction(24000, 1001)])
def test_every_frame_is_written_at_the_exact_rate(tmp_path, fps):
    out = tmp_path / "out.mp4"

    clip = media.write(out, numbered(40), fps=fps)

    assert [media.number_of(picture) for picture in frames(out)] == list(range(40))
    found = probe(out).video
    assert (found.fps, found.frames, found.width, found.height) == (fps, 40, 160, 96)
    assert (clip.path, clip.frames, clip.fps, clip.has_audio) == (out, 40, fps, False)
    assert clip.duration_seconds == pytest.approx(40 / fps)
    assert clip.notes == {"source": "test"}


@pytest.mark.parametrize(
    "colour",
    [(37, 99, 201), (0, 0, 255), (0, 255, 0), (255, 0, 0), (128,) * 3, (255,) * 3, (0,) * 3],
)
def test_a_color_is_kept_within_three_levels(tmp_path, colour):
    out = tmp_path / "out.mp4"

    media.write(out, [np.full((96, 160, 3), colour, np.uint8)] * 3)

    for picture in frames(out):
        assert np.abs(picture.astype(int) - colour).max() <= 3


def test_the_file_is_tagged_with_its_color_space(tmp_path):
    out = tmp_path / "out.mp4"

    media.write(out, numbered(2))

    with av.open(str(out)) as container:
        codec = container.streams.video[0].codec_context
        tags = (codec.colorspace, codec.color_primaries, codec.color_trc, codec.color_range)
        assert (codec.name, codec.profile, codec.pix_fmt) == ("h264", "High", "yuv420p")
        assert tags == (1, 1, 1, 1)


@pytest.mark.parametrize(("width", "height"), [(321, 241), (321, 240), (320, 241)])
def test_an_odd_side_is_padded_with_its_edge(tmp_path, width, height):
    out = tmp_path / "out.mp4"
    picture = np.full((height, width, 3), 20, np.uint8)
    picture[-1], picture[:, -1] = 220, 220

    clip = media.write(out, [picture] * 2)

    shown = next(frames(out))
    assert shown.shape == (clip.height, clip.width, 3)
    assert (clip.width, clip.height) == (width + width % 2, height + height % 2)
    assert shown[-1, -1].min() > 200
    assert shown[: height - 8, : width - 8].max() < 60


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30000, 1001)])
def test_a_click_is_in_sync_with_its_flash(tmp_path, rate, fps):
    moments = [0.0, 1.04, 2.0]
    voice = media.wav(tmp_path / "voice.wav", media.clicks(2.51, rate, moments), rate)
    count = ceil(sound.duration(voice) * fps)
    flashes = {ceil(moment * fps) for moment in moments}
    pictures = [np.full((96, 160, 3), 255 * (n in flashes), np.uint8) for n in range(count)]
    out = tmp_path / "out.mp4"

    media.write(out, pictures, fps=fps, sound=voice)

    lit = [n for n, picture in enumerate(frames(out)) if picture.mean() > 127]
    samples = np.concatenate([*sound.blocks(out, rate=48_000)])
    for moment, frame in zip(moments, lit, strict=True):
        begin = max(round((moment - 0.02) * 48_000), 0)
        loud = np.abs(samples[begin:]) > 0.3
        heard = (begin + int(np.argmax(loud))) / 48_000
        assert heard == pytest.approx(moment, abs=0.002)
        assert abs(frame / fps - heard) <= 1 / fps


@pytest.mark.parametrize("seconds", [0.013, 0.5, 2.0, 2.51, 3.337])
def test_the_sound_has_the_duration_of_its_source(tmp_path, seconds):
    voice = media.wav(tmp_path / "voice.wav", media.tone(seconds, 48_000), 48_000)
    out = tmp_path / "out.mp4"
    count = ceil(sound.duration(voice) * 25)

    media.write(out, numbered(count), sound=voice)

    with av.open(str(out)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.start_time, audio.start_time) == (0, 0)
        assert audio.duration * audio.time_base == sound.duration(voice)
        assert video.duration * video.time_base == Fraction(count, 25)
    assert sound.duration(out) == sound.duration(voice)


def test_the_sound_is_cut_at_the_end_of_the_video(tmp_path):
    voice = media.wav(tmp_path / "voice.wav", media.tone(4, 16_000), 16_000)
    out = tmp_path / "out.mp4"

    media.write(out, numbered(33), sound=voice)

    assert sound.duration(out) == Fraction(33, 25)


@pytest.mark.parametrize(("layout", "count", "kept"), [("stereo", 2, 2), ("5.1", 6, 2)])
def test_sound_keeps_up_to_two_channels(tmp_path, layout, count, kept):
    samples = np.zeros((count, 48_000))
    samples[0] = media.tone(1, 48_000)
    voice = media.sound(tmp_path / "voice.flac", samples, 48_000, codec="flac", layout=layout)
    out = tmp_path / "out.mp4"

    media.write(out, numbered(25), sound=voice)

    assert (probe(out).audio.channels, probe(out).audio.rate) == (kept, 48_000)
    left, right = np.concatenate([*sound.pcm(out, rate=48_000, channels=2)], axis=1)
    assert np.abs(left[4800:-4800]).max() > 0.15
    assert np.abs(right[4800:-4800]).max() < 0.01


def test_the_sound_of_a_video_file_can_be_used(tmp_path):
    pictures = [media.numbered(n) for n in range(50)]
    samples = media.clicks(2, 44_100, [1])
    film = media.clip(tmp_path / "film.mp4", pictures, sound=(44_100, samples))
    out = tmp_path / "out.mp4"

    clip = media.write(out, pictures, sound=film)

    heard = np.concatenate([*sound.blocks(out, rate=48_000)])
    assert clip.has_audio
    assert np.argmax(np.abs(heard) > 0.3) == pytest.approx(48_000, abs=96)


def test_a_source_without_samples_gives_a_silent_file(tmp_path):
    voice = media.wav(tmp_path / "voice.wav", np.zeros(0), 16_000)
    out = tmp_path / "out.mp4"

    clip = media.write(out, numbered(3), sound=voice)

    assert not clip.has_audio
    assert probe(out).audio is None


def test_audio_and_video_packets_are_interleaved(tmp_path):
    voice = media.wav(tmp_path / "voice.wav", media.tone(10, 16_000), 16_000)
    out = tmp_path / "out.mp4"

    media.write(out, numbered(250), sound=voice)

    with av.open(str(out)) as container:
        stored = sorted(
            (packet.pos, packet.stream.type, float(packet.dts * packet.time_base))
            for packet in container.demux()
            if packet.size
        )
    assert len(stored) > 700
    latest = {"video": 0.0, "audio": 0.0}
    apart = []
    for _, kind, seconds in stored:
        latest[kind] = seconds
        apart.append(abs(latest["video"] - latest["audio"]))
    assert max(apart) < 1.1


def test_the_index_comes_before_the_media(tmp_path):
    out = tmp_path / "out.mp4"

    media.write(out, numbered(10))

    content = out.read_bytes()
    assert 0 < content.find(b"moov") < content.find(b"mdat")


def test_metadata_is_written(tmp_path):
    out = tmp_path / "out.mp4"
    said = {
        "title": "Grüße",
        "comment": "generated by a machine",
        "kinomill:model": "x",
        "job": "1",
    }

    media.write(out, numbered(2), metadata=said)

    with av.open(str(out)) as container:
        assert said.items() <= container.metadata.items()


def test_time_stamps_are_evenly_spaced(tmp_path):
    out = tmp_path / "out.mp4"

    media.write(out, numbered(60), fps=Fraction(30000, 1001))

    with av.open(str(out)) as container:
        times = [frame.pts * frame.time_base for frame in container.decode(video=0)]
    assert {after - before for before, after in pairwise(times)} == {Fraction(1001, 30000)}


def test_an_exception_leaves_no_file(tmp_path):
    voice = media.wav(tmp_path / "voice.wav", media.tone(1, 16_000), 16_000)
    out = tmp_path / "out.mp4"

    def pictures():
        yield from numbered(20)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        media.write(out, pictures(), sound=voice)

    assert not out.exists()


def test_a_file_that_cannot_be_opened_closes_the_sound(tmp_path, monkeypatch):
    voice = media.wav(tmp_path / "voice.wav", media.tone(1, 16_000), 16_000)
    writer = Writer(tmp_path / "out.mp4", width=64, height=64, fps=Fraction(25), sound=voice)

    def full(*_, **__):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(av, "open", full)
        with pytest.raises(MemoryError):
            writer.__enter__()

    assert inspect.getgeneratorstate(writer._soundtrack._source) == inspect.GEN_CLOSED


def test_a_folder_that_is_missing_closes_the_sound(tmp_path):
    voice = media.wav(tmp_path / "voice.wav", media.tone(1, 16_000), 16_000)
    writer = Writer(tmp_path / "no" / "out.mp4", width=64, height=64, fps=Fraction(25), sound=voice)

    with pytest.raises(FileNotFoundError), writer:
        writer.write(np.zeros((64, 64, 3), np.uint8))

    assert inspect.getgeneratorstate(writer._soundtrack._source) == inspect.GEN_CLOSED


def test_a_preset_that_does_not_exist_leaves_no_file(tmp_path):
    out = tmp_path / "out.mp4"

    with pytest.raises(av.FFmpegError):
        media.write(out, numbered(1), preset="fastest")

    assert not out.exists()


def test_a_sound_file_deleted_during_the_run_leaves_no_file(tmp_path):
    voice = media.wav(tmp_path / "voice.wav", media.tone(1, 16_000), 16_000)
    out = tmp_path / "out.mp4"
    writer = Writer(out, width=160, height=96, fps=Fraction(25), sound=voice)
    voice.unlink()

    with pytest.raises(FileNotFoundError), writer:
        pass

    assert not out.exists()


def test_a_video_without_a_frame_is_an_error_and_leaves_no_file(tmp_path):
    out = tmp_path / "out.mp4"

    with (
        pytest.raises(ValueError, match="at least one frame"),
        Writer(out, width=160, height=96, fps=Fraction(25)),
    ):
        pass

    assert not out.exists()


def test_a_sound_that_is_not_media_leaves_no_file(tmp_path):
    voice = tmp_path / "voice.wav"
    voice.write_text("#EXTM3U\n")
    out = tmp_path / "out.mp4"

    with pytest.raises(InputRejected):
        media.write(out, numbered(1), sound=voice)

    assert not out.exists()


@pytest.mark.parametrize("picture", [np.zeros((95, 160, 3), np.uint8), np.zeros((96, 160, 3))])
def test_a_frame_of_another_shape_or_type_is_an_error(tmp_path, picture):
    out = tmp_path / "out.mp4"

    with (
        pytest.raises(ValueError, match="must be uint8"),
        Writer(out, width=160, height=96, fps=Fraction(25)) as writer,
    ):
        writer.write(picture)

    assert not out.exists()


def test_a_non_contiguous_array_can_be_written(tmp_path):
    out = tmp_path / "out.mp4"
    large = np.zeros((192, 320, 3), np.uint8)
    large[::2, ::2] = media.numbered(5)

    media.write(out, [large[::2, ::2]] * 2)

    assert media.number_of(next(frames(out))) == 5
