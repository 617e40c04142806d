import struct
from fractions import Fraction

import numpy as np
import pytest

from models.errors import InputRejected
from models.video import sound
from tests.models.video import media

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


def decoded(path, rate=16_000):
    return np.concatenate([*sound.blocks(path, rate=rate)])


def onset(samples, rate, near):
    """Time of the first loud sample, in seconds, searched from 50 ms before `near`."""
    begin = round((near - 0.05) * rate)
    loud = np.abs(samples[begin:]) > 0.3 * np.abs(samples).max()
    return (begin + int(np.argmax(loud))) / rate


@pytest.mark.parametrize(("name", "codec"), KINDS)
def test_a_click_keeps_its_time(tmp_path, name, codec):
    clicks = media.clicks(2, 48_000, [0.5, 1.5])
    path = media.sound(tmp_path / name, clicks, 48_000, codec=codec)

    samples = decoded(path)

    assert onset(samples, 16_000, 0.5) == pytest.approx(0.5, abs=0.001)
    assert onset(samples, 16_000, 1.5) == pytest.approx(1.5, abs=0.001)
    assert sound.duration(path) == 2
    assert len(samples) == 32_000


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_resampling_keeps_level_and_duration(tmp_path, rate):
    path = media.wav(tmp_path / "voice.wav", media.tone(1.25, rate), rate)

    samples = decoded(path)

    assert samples.dtype == np.float32
    assert len(samples) == 20_000
    assert np.abs(samples).max() == pytest.approx(0.5, abs=0.02)
    assert np.argmax(np.abs(np.fft.rfft(samples[:16_000]))) == 440


@pytest.mark.parametrize("layout", [*COUNTS])
@pytest.mark.parametrize(
    ("name", "codec"), [("v.wav", "pcm_s16le"), ("v.flac", "flac"), ("v.mka", "libopus")]
)
def test_channels_are_mixed_to_mono(tmp_path, name, codec, layout):
    samples = np.zeros((COUNTS[layout], 48_000))
    samples[:2] = media.tone(1, 48_000)
    path = media.sound(tmp_path / name, samples, 48_000, codec=codec, layout=layout)

    got = decoded(path)

    assert len(got) == 16_000
    assert np.abs(got[2000:-2000]).max() == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("layout", ["5.1", "7.1"])
def test_a_voice_in_the_center_is_as_loud_as_in_stereo(tmp_path, layout, channels):
    """In stereo it is in two channels, in surround sound in one of twice the power."""
    voice = media.tone(1, 48_000) * 0.3
    stereo = media.sound(tmp_path / "2.wav", np.tile(voice, (2, 1)), 48_000, layout="stereo")
    samples = np.zeros((COUNTS[layout], 48_000))
    samples[2] = voice * 2**0.5
    surround = media.sound(tmp_path / "n.wav", samples, 48_000, layout=layout)

    one, other = (
        np.concatenate(list(sound.pcm(path, rate=48_000, channels=channels)), axis=1)
        for path in (stereo, surround)
    )

    assert abs(20 * np.log10(other.std() / one.std())) < 0.5


def test_antiphase_stereo_is_heard(tmp_path):
    voice = media.tone(1, 48_000)
    path = media.sound(tmp_path / "v.wav", np.stack([voice, -voice]), 48_000, layout="stereo")

    assert np.abs(decoded(path)[2000:-2000]).max() == pytest.approx(0.5, abs=0.02)


def test_loud_surround_sound_is_bent_and_not_cut(tmp_path):
    loud = media.tone(1, 48_000)
    path = media.sound(tmp_path / "v.wav", np.tile(loud, (6, 1)) * 1.9, 48_000, layout="5.1")

    got = decoded(path)

    assert 0.9 < np.abs(got).max() <= 1
    assert (np.abs(got) == 1).mean() < 0.5


def test_the_center_channel_is_mixed_in_and_the_bass_channel_is_not(tmp_path):
    channels = np.zeros((6, 48_000))
    channels[2], channels[3] = media.tone(1, 48_000, 440), media.tone(1, 48_000, 60)
    path = media.sound(tmp_path / "v.wav", channels, 48_000, layout="5.1")

    spectrum = np.abs(np.fft.rfft(decoded(path)))

    assert spectrum[440] > 1000 * spectrum[60]


def test_mixed_samples_stay_within_full_scale(tmp_path):
    loud = np.sign(media.tone(1, 48_000)) * 1.0
    path = media.sound(tmp_path / "v.wav", np.tile(loud, (8, 1)), 48_000, layout="7.1")

    assert np.abs(decoded(path)).max() <= 1


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_nan_and_infinite_samples_become_silence(tmp_path, poison):
    samples = media.tone(1, 16_000)
    samples[4000:4100] = poison
    path = media.sound(tmp_path / "v.wav", samples, 16_000, codec="pcm_f32le")

    got = decoded(path)

    assert np.isfinite(got).all()
    assert np.abs(got[4000:4100]).max() == 0
    assert np.abs(got[4200:]).max() == pytest.approx(0.5, abs=0.01)


def test_float_samples_beyond_full_scale_are_clipped(tmp_path):
    path = media.sound(tmp_path / "v.wav", media.tone(1, 16_000) * 50, 16_000, codec="pcm_f32le")

    assert np.abs(decoded(path)).max() == 1


def test_all_blocks_but_the_last_have_the_same_size(tmp_path):
    path = media.wav(tmp_path / "v.wav", media.tone(1.01, 16_000), 16_000)

    sizes = [len(block) for block in sound.blocks(path, block=3000)]

    assert sizes == [3000] * 5 + [1160]


def test_the_sound_of_a_clip_is_read(tmp_path):
    clicks = media.clicks(2, 44_100, [1])
    pictures = [media.numbered(index) for index in range(50)]
    path = media.clip(tmp_path / "clip.mp4", pictures, sound=(44_100, clicks))

    assert onset(decoded(path), 16_000, 1) == pytest.approx(1, abs=0.001)
    assert sound.duration(path) == 2


@pytest.mark.parametrize("name", ["clip.mkv", "clip.mp4"])
@pytest.mark.parametrize(("pause", "click"), [((0, 0.6), 1.1), ((0.256, 0.64), 1.14)])
def test_gaps_in_the_time_stamps_are_filled_with_silence(tmp_path, name, pause, click):
    pictures = [media.numbered(index) for index in range(50)]
    path = media.clip(
        tmp_path / name,
        pictures,
        sound=(48_000, media.clicks(1.024, 48_000, [0.5])),
        pauses=[pause],
    )

    assert onset(decoded(path), 16_000, click) == pytest.approx(click, abs=0.002)


def test_time_stamps_that_jump_by_hours_are_refused(tmp_path):
    path = media.clip(
        tmp_path / "clip.mkv",
        [media.numbered(0)],
        sound=(16_000, media.tone(2.048, 16_000)),
        pauses=[(1.024, 4000)],
    )

    with pytest.raises(InputRejected):
        sound.duration(path)


def test_a_sample_rate_that_changes_in_mid_stream_is_supported(tmp_path):
    parts = [
        media.sound(tmp_path / f"{rate}.mp3", media.tone(2, rate), rate, codec="libmp3lame")
        for rate in (44_100, 22_050)
    ]
    path = tmp_path / "both.mp3"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))

    samples = decoded(path)

    assert len(samples) / 16_000 == pytest.approx(4, abs=0.2)
    assert np.argmax(np.abs(np.fft.rfft(samples[8_000:24_000]))) == 440
    assert np.argmax(np.abs(np.fft.rfft(samples[44_000:60_000]))) == 440


@pytest.mark.parametrize("stated", [0xFFFFFFFF, 0])
def test_the_duration_comes_from_the_samples_not_from_the_header(tmp_path, stated):
    path = media.wav(tmp_path / "voice.wav", media.tone(2.5, 8000), 8000)
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = struct.pack("<I", stated)
    path.write_bytes(content)

    assert sound.duration(path) == Fraction(5, 2)
    assert len(decoded(path)) == 40_000


@pytest.mark.parametrize(("name", "codec"), [("v.aac", "aac"), ("v.mp2", "mp2")])
def test_a_truncated_stream_gives_its_complete_samples(tmp_path, name, codec):
    path = media.sound(tmp_path / name, media.tone(4, 44_100), 44_100, codec=codec)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    assert float(sound.duration(path)) == pytest.approx(2, abs=0.1)


def test_a_wav_without_samples_has_zero_duration(tmp_path):
    path = media.wav(tmp_path / "v.wav", np.zeros(0), 16_000)

    assert sound.duration(path) == 0
    assert [*sound.blocks(path)] == []


def test_a_video_without_sound_has_another_error_than_a_file_that_is_not_media(tmp_path):
    film = media.clip(tmp_path / "clip.mp4", [media.numbered(0)])
    text = tmp_path / "voice.mp3"
    text.write_text("#EXTM3U\nhttp://127.0.0.1:9/a.ts\n")

    with pytest.raises(InputRejected) as no_sound:
        sound.duration(film)
    with pytest.raises(InputRejected) as unreadable:
        next(sound.blocks(text))

    assert (no_sound.value.code, unreadable.value.code) == ("no_sound", "media_unreadable")
