"""What a decoder finds is limited, whatever size, rate or shape the container states."""

from __future__ import annotations

import struct
import subprocess
import sys
from fractions import Fraction

import av
import numpy as np
import pytest

from models.errors import InputRejected
from models.video import constant_rate_reader, frames, sound, source
from models.video.constant_rate_reader import ConstantRateReader
from models.video.decoding.video_decoder import decoded
from models.video.probe import probe
from tests.models.video import media

SMALL, LARGE = (64, 64), (640, 480)


@pytest.fixture
def limit(monkeypatch):
    """A limit of pixels between the two sizes."""
    monkeypatch.setattr(source, "MAX_PIXELS", 100_000)


def raw(folder, size, count):
    """The packets of an H.264 stream without a container."""
    width, height = size
    pictures = [np.full((height, width, 3), 20 * n, np.uint8) for n in range(count)]
    return media.clip(folder / "part.h264", pictures, format="h264").read_bytes()


def growing(folder, *parts):
    """A Matroska that states the size of the first part, and goes on in others."""
    stream, path = folder / "stream.h264", folder / "clip.mkv"
    stream.write_bytes(b"".join(raw(folder, *part) for part in parts))
    with av.open(str(stream), format="h264") as read, av.open(str(path), "w") as written:
        copy = written.add_stream_from_template(read.streams.video[0])
        for number, packet in enumerate(read.demux(read.streams.video[0])):
            if packet.size:
                packet.stream, packet.time_base = copy, Fraction(1, 1000)
                packet.pts = packet.dts = number * 40
                written.mux(packet)
    return path


def sizes(path):
    with source.opened(path) as container:
        stream = source.video_stream(container)
        return [(frame.width, frame.height) for frame in decoded(container, stream)]


def test_frames_that_grow_beyond_the_limit_are_not_decoded(tmp_path, limit):
    path = growing(tmp_path, (SMALL, 4), (LARGE, 3), (SMALL, 2))

    assert set(sizes(path)) == {SMALL}


def test_frames_that_grow_within_the_limit_are_scaled_to_the_first(tmp_path):
    path = growing(tmp_path, (SMALL, 4), (LARGE, 3))
    assert set(sizes(path)) == {SMALL, LARGE}

    assert {picture.shape for picture in frames.frames(path)} == {(64, 64, 3)}


def test_frames_held_for_backward_reading_are_counted_by_their_own_size(tmp_path, monkeypatch):
    """640 x 480 pixels take 460,800 bytes, which the container's 64 x 64 do not tell."""
    monkeypatch.setattr(constant_rate_reader, "BACKWARD_BYTES", 1_500_000)
    reader = ConstantRateReader(growing(tmp_path, (SMALL, 1), (LARGE, 11)))
    shown = sum(1 for _ in reader.forward())

    assert reader._capacity == 3 * reader._repeats
    assert sum(1 for _ in reader.backward(shown)) == shown


@pytest.mark.parametrize("look", [probe, lambda path: next(frames.frames(path))])
def test_wide_pixels_count(tmp_path, limit, look):
    """240 x 240 pixels, each shown three times as wide as high."""
    picture = np.full((240, 240, 3), 90, np.uint8)
    path = media.clip(tmp_path / "clip.mp4", [picture] * 3, shape=Fraction(3))

    with pytest.raises(InputRejected, match="720 x 240") as refusal:
        look(path)

    assert refusal.value.code == "too_large"


def crc(content, polynomial, bits):
    top, mask, value = 1 << bits - 1, (1 << bits) - 1, 0
    for byte in content:
        value ^= byte << bits - 8
        for _ in range(8):
            value = (value << 1 ^ polynomial if value & top else value << 1) & mask
    return value.to_bytes(bits // 8, "big")


def flac(*rates):
    """A FLAC that states 44,100 Hz, with a frame of 65,535 equal samples at each of these rates."""
    info = struct.pack(">HH", 65535, 65535) + bytes(6) + (44100 << 44 | 15 << 36).to_bytes(8, "big")
    content = b"fLaC\x80\0\0\x22" + info + bytes(16)
    for number, rate in enumerate(rates):
        head = b"\xff\xf8\x7d\x08" + bytes([number]) + struct.pack(">HH", 65534, rate)
        frame = head + crc(head, 0x07, 8) + b"\0" + struct.pack(">h", 1000)
        content += frame + crc(frame, 0x8005, 16)
    return content


def test_a_rate_that_only_the_decoder_sees_is_checked(tmp_path):
    """At 10 Hz, 150 bytes would become 209 million samples: 3.6 GB."""
    path = tmp_path / "voice.flac"
    path.write_bytes(flac(44_100, 44_100))
    assert float(sound.duration(path)) == pytest.approx(2 * 65535 / 44_100, abs=0.01)

    path.write_bytes(flac(44_100, 10, 10))

    for look in (sound.duration, lambda path: list(sound.blocks(path))):
        with pytest.raises(InputRejected) as refusal:
            look(path)
        assert refusal.value.code == "media_unreadable"


def test_a_long_frame_is_resampled_in_pieces(tmp_path):
    path = tmp_path / "voice.flac"
    path.write_bytes(flac(44_100, 1000, 1000))

    longest = max(len(block[0]) for block in sound.pcm(path, rate=48_000, channels=1))

    assert longest < 48 * 48_000 + 2000


def test_sound_of_too_many_channels_is_refused(tmp_path):
    path = tmp_path / "voice.wav"
    samples = np.zeros((33, 800), np.int16)
    head = struct.pack("<HHIIHH", 1, 33, 8000, 8000 * 66, 66, 16)
    body = b"WAVEfmt " + struct.pack("<I", len(head)) + head + b"data"
    body += struct.pack("<I", samples.nbytes) + samples.tobytes()
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)

    with pytest.raises(InputRejected) as refusal:
        sound.duration(path)

    assert refusal.value.code == "media_unreadable"


def test_lower_limits_of_the_operator_stay():
    """A worker under `ulimit -t` or `LimitCPU=` decoded no image."""
    code = """
import resource
from models.video.guarded.limits import limit_process
resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
resource.setrlimit(resource.RLIMIT_AS, (2**36, 2**36))
limit_process(memory_bytes=2**40, cpu_seconds=60)
print(resource.getrlimit(resource.RLIMIT_CPU), resource.getrlimit(resource.RLIMIT_AS))
"""
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert shown.stdout.split(") (") == ["(19, 20", f"{2**36}, {2**36})\n"], shown.stderr
