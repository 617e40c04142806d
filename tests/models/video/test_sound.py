import struct
from fractions import Fraction

import numpy as np
import pytest

from models.errors import InputRejected
from models.video import sound
from tests.models.video import made

KINDS = [
    ("voice.wav", "pcm_s16le"),
    ("voice.wav", "pcm_s24le"),
    ("voice.wav", "pcm_u8"),
    ("voice.wav", "pcm_f32le"),
    ("voice.wav", "pcm_f64le"),
    ("voice.wav", "pcm_s64le"),
    ("voice.mp3", "libmp3lame"),
    ("voice.flac", "flac"),
    ("voice.ogg", "libopus"),
    ("voice.webm", "libopus"),
    ("voice.m4a", "aac"),
    ("voice.m4a", "alac"),
    ("voice.aiff", "pcm_s16be"),
]

COUNTS = {"mono": 1, "stereo": 2, "5.1": 6, "7.1": 8}


def heard(path, rate=16_000):
    return np.concatenate([*sound.blocks(path, rate=rate)])


def onset(samples, rate, near):
    """Seconds at which it gets loud after 50 ms before the moment."""
    begin = round((near - 0.05) * rate)
    loud = np.abs(samples[begin:]) > 0.3 * np.abs(samples).max()
    return (begin + int(np.argmax(loud))) / rate


@pytest.mark.parametrize(("name", "codec"), KINDS)
def test_a_click_is_where_it_was(tmp_path, name, codec):
    clicks = made.clicks(2, 48_000, [0.5, 1.5])
    path = made.sound(tmp_path / name, clicks, 48_000, codec=codec)

    samples = heard(path)

    assert onset(samples, 16_000, 0.5) == pytest.approx(0.5, abs=0.001)
    assert onset(samples, 16_000, 1.5) == pytest.approx(1.5, abs=0.001)
    assert sound.duration(path) == 2
    assert len(samples) == 32_000


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_every_rate_keeps_level_and_length(tmp_path, rate):
    path = made.wav(tmp_path / "voice.wav", made.tone(1.25, rate), rate)

    samples = heard(path)

    assert samples.dtype == np.float32
    assert len(samples) == 20_000
    assert np.abs(samples).max() == pytest.approx(0.5, abs=0.02)
    assert np.argmax(np.abs(np.fft.rfft(samples[:16_000]))) == 440


@pytest.mark.parametrize("layout", [*COUNTS])
@pytest.mark.parametrize(
    ("name", "codec"), [("v.wav", "pcm_s16le"), ("v.flac", "flac"), ("v.mka", "libopus")]
)
def test_any_number_of_channels_becomes_one(tmp_path, name, codec, layout):
    samples = np.tile(made.tone(1, 48_000), (COUNTS[layout], 1))
    path = made.sound(tmp_path / name, samples, 48_000, codec=codec, layout=layout)

    got = heard(path)

    assert len(got) == 16_000
    assert np.abs(got[2000:-2000]).max() == pytest.approx(0.5, abs=0.04)


def test_a_voice_in_the_centre_is_heard_and_the_bass_is_not(tmp_path):
    channels = np.zeros((6, 48_000))
    channels[2], channels[3] = made.tone(1, 48_000, 440), made.tone(1, 48_000, 60)
    path = made.sound(tmp_path / "v.wav", channels, 48_000, layout="5.1")

    spectrum = np.abs(np.fft.rfft(heard(path)))

    assert spectrum[440] > 1000 * spectrum[60]


def test_opposite_channels_and_full_scale_stay_in_range(tmp_path):
    loud = np.sign(made.tone(1, 48_000)) * 1.0
    path = made.sound(tmp_path / "v.wav", np.tile(loud, (8, 1)), 48_000, layout="7.1")

    assert np.abs(heard(path)).max() <= 1


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_number_are_silence(tmp_path, poison):
    samples = made.tone(1, 16_000)
    samples[4000:4100] = poison
    path = made.sound(tmp_path / "v.wav", samples, 16_000, codec="pcm_f32le")

    got = heard(path)

    assert np.isfinite(got).all()
    assert np.abs(got[4000:4100]).max() == 0
    assert np.abs(got[4200:]).max() == pytest.approx(0.5, abs=0.01)


def test_floats_beyond_full_scale_are_limited(tmp_path):
    path = made.sound(tmp_path / "v.wav", made.tone(1, 16_000) * 50, 16_000, codec="pcm_f32le")

    assert np.abs(heard(path)).max() == 1


def test_blocks_are_even_but_for_the_last(tmp_path):
    path = made.wav(tmp_path / "v.wav", made.tone(1.01, 16_000), 16_000)

    sizes = [len(block) for block in sound.blocks(path, block=3000)]

    assert sizes == [3000] * 5 + [1160]


def test_the_sound_of_a_clip_is_read(tmp_path):
    clicks = made.clicks(2, 44_100, [1])
    pictures = [made.numbered(index) for index in range(50)]
    path = made.clip(tmp_path / "clip.mp4", pictures, sound=(44_100, clicks))

    assert onset(heard(path), 16_000, 1) == pytest.approx(1, abs=0.001)
    assert sound.duration(path) == 2


@pytest.mark.parametrize("name", ["clip.mkv", "clip.mp4"])
@pytest.mark.parametrize(("pause", "click"), [((0, 0.6), 1.1), ((0.256, 0.64), 1.14)])
def test_silence_fills_what_the_time_stamps_leave_open(tmp_path, name, pause, click):
    pictures = [made.numbered(index) for index in range(50)]
    path = made.clip(
        tmp_path / name,
        pictures,
        sound=(48_000, made.clicks(1.024, 48_000, [0.5])),
        pauses=[pause],
    )

    assert onset(heard(path), 16_000, click) == pytest.approx(click, abs=0.002)


def test_time_stamps_that_leap_for_hours_are_refused(tmp_path):
    path = made.clip(
        tmp_path / "clip.mkv",
        [made.numbered(0)],
        sound=(16_000, made.tone(2.048, 16_000)),
        pauses=[(1.024, 4000)],
    )

    with pytest.raises(InputRejected):
        sound.duration(path)


def test_a_rate_that_changes_on_the_way_is_followed(tmp_path):
    parts = [
        made.sound(tmp_path / f"{rate}.mp3", made.tone(2, rate), rate, codec="libmp3lame")
        for rate in (44_100, 22_050)
    ]
    path = tmp_path / "both.mp3"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))

    samples = heard(path)

    assert len(samples) / 16_000 == pytest.approx(4, abs=0.2)
    assert np.argmax(np.abs(np.fft.rfft(samples[8_000:24_000]))) == 440
    assert np.argmax(np.abs(np.fft.rfft(samples[44_000:60_000]))) == 440


@pytest.mark.parametrize("stated", [0xFFFFFFFF, 0, 36_000 * 16_000])
def test_the_length_is_of_the_samples_not_of_the_header(tmp_path, stated):
    path = made.wav(tmp_path / "voice.wav", made.tone(2.5, 8000), 8000)
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = struct.pack("<I", stated)
    path.write_bytes(content)

    assert sound.duration(path) == Fraction(5, 2)
    assert len(heard(path)) == 40_000


@pytest.mark.parametrize(("name", "codec"), [("v.wav", "pcm_s16le"), ("v.mp3", "libmp3lame")])
def test_a_sound_cut_off_gives_what_is_whole(tmp_path, name, codec):
    path = made.sound(tmp_path / name, made.tone(4, 44_100), 44_100, codec=codec)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    assert float(sound.duration(path)) == pytest.approx(2, abs=0.1)


def test_a_wav_without_samples_has_no_length(tmp_path):
    path = made.wav(tmp_path / "v.wav", np.zeros(0), 16_000)

    assert sound.duration(path) == 0
    assert [*sound.blocks(path)] == []


def test_a_silent_film_is_told_from_what_is_no_media(tmp_path):
    film = made.clip(tmp_path / "clip.mp4", [made.numbered(0)])
    text = tmp_path / "voice.mp3"
    text.write_text("#EXTM3U\nhttp://127.0.0.1:9/a.ts\n")

    with pytest.raises(InputRejected) as no_sound:
        sound.duration(film)
    with pytest.raises(InputRejected) as unreadable:
        next(sound.blocks(text))

    assert (no_sound.value.code, unreadable.value.code) == ("no_sound", "media_unreadable")
