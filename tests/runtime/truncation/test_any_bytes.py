"""A reader gives a verdict on any bytes, or leaves them by a `struct.error`; nothing else."""

from __future__ import annotations

import io
import math
import struct
from functools import cache
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.media import formats
from runtime.truncation.detect import READERS, missing_end
from runtime.truncation.missing import Bytes, Missing, share
from tests.media.samples import SAMPLES

FUZZ = settings(max_examples=200, deadline=None, database=None, derandomize=True)
HEAD_BYTES = 256
MAGIC = {
    formats.WAV: [b"RIFF\xff\0\0\0WAVE", b"RIFX\xff\0\0\0WAVE", b"RF64\xff\xff\xff\xffWAVE"],
    formats.WAVE64: [b"riff\x2e\x91\xcf\x11" + bytes(32)],
    formats.CORE_AUDIO: [b"caff\0\x01\0\0"],
    formats.MP3: [b"\xff\xfb\x90\x64", b"ID3\x04\0\0\0\0\0\0"],
    formats.AVI: [b"RIFF\xff\0\0\0AVI ", b"RIFF\xff\0\0\0AVI LIST\x80\0\0\0hdrl"],
    formats.WEBP: [b"RIFF\xff\0\0\0WEBP"],
    formats.GIF: [b"GIF89a\x08\0\x08\0\x80\0\0"],
    formats.PNG: [b"\x89PNG\r\n\x1a\n"],
    formats.MP4: [b"", b"\0\0\0\x10ftypisom\0\0\0\0"],
    formats.MATROSKA: [b"\x1a\x45\xdf\xa3\x80", b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\xff"],
}
NAMES = [
    *(b"moov", b"mvhd", b"moof", b"mdat", b"free", b"acTL", b"IEND", b"IDAT"),
    *(b"fmt ", b"data", b"ds64", b"desc", b"avih", b"Xing", b"Info", b"\xff\xfb\x90\x64"),
    *(b"\x18\x53\x80\x67", b"\x15\x49\xa9\x66", b"\x1f\x43\xb6\x75", b"\x2a\xd7\xb1", b"\x44\x89"),
    *(b"\x2c", b"\x21\xf9", b"\x01\xff\xff\xff\xff\xff\xff\xff", b"\x80", b"\x88"),
]
NUMBERS = [0, 1, 8, 16, 24, 36, 0x7F, 0xFFFF, 0x7FFF_FFFF, 0xFFFF_FFFF]
LARGE = [*NUMBERS, 2**63, 2**64 - 1]
INTEGERS = [
    *(struct.pack(form, number) for number, form in product(NUMBERS, ("<I", ">I"))),
    *(struct.pack(form, number) for number, form in product(LARGE, ("<Q", ">Q"))),
]
PIECES = st.one_of(
    st.sampled_from(NAMES),
    st.sampled_from(INTEGERS),
    st.floats().map(lambda number: struct.pack(">d", number)),
    st.binary(max_size=24),
)
HEADERS = st.lists(PIECES, max_size=12).map(b"".join)
CASES = [(magic, READERS[one]) for one, heads in MAGIC.items() for magic in heads]


def is_verdict(found):
    """A loss has a size, and seconds that are numbers, if any."""
    if found is None:
        return True
    times = [time for time in (found.seconds, found.of_seconds) if time is not None]
    return found.size_bytes >= 0 and all(map(math.isfinite, times)) and str(found) != ""


def judged(reader, content):
    try:
        return reader(Bytes(io.BytesIO(content), len(content)))
    except struct.error:
        return None


@cache
def sample(one):
    return SAMPLES[one]()


def test_each_reader_is_tried():
    assert {READERS[one] for one in MAGIC} == {*READERS.values()}
    assert {*READERS} <= {*SAMPLES}


@pytest.mark.parametrize(("magic", "reader"), CASES)
@FUZZ
@given(header=HEADERS)
def test_random_headers_give_a_verdict(magic, reader, header):
    assert is_verdict(judged(reader, magic + header))


@pytest.mark.parametrize("one", READERS, ids=lambda one: one.name)
@FUZZ
@given(length=st.integers(0, HEAD_BYTES), rest=st.one_of(st.just(b""), HEADERS))
def test_a_file_that_is_cut_in_its_headers_gives_a_verdict(one, length, rest):
    assert is_verdict(judged(READERS[one], sample(one)[:length] + rest))


@pytest.mark.parametrize("one", READERS, ids=lambda one: one.name)
@FUZZ
@given(at=st.integers(0, HEAD_BYTES), patch=HEADERS)
def test_a_file_with_other_headers_gives_a_verdict(one, at, patch):
    content = sample(one)
    assert is_verdict(judged(READERS[one], content[:at] + patch + content[at + len(patch) :]))


@pytest.mark.parametrize("one", READERS, ids=lambda one: one.name)
def test_a_whole_file_lacks_nothing(one, tmp_path):
    path = tmp_path / "upload"
    path.write_bytes(sample(one))

    assert missing_end(path) is None


@pytest.mark.parametrize(
    "one", [one for one in READERS if one is not formats.PNG], ids=lambda one: one.name
)
def test_a_file_that_ends_at_nine_tenths_lacks_its_end(one, tmp_path):
    """A still PNG is left to its decoder."""
    content = sample(one)
    path = tmp_path / "upload"
    path.write_bytes(content[: len(content) * 9 // 10])

    assert missing_end(path) is not None


def test_an_index_of_which_only_the_first_header_is_there_is_not_judged(tmp_path):
    path = tmp_path / "upload"
    path.write_bytes(b"\0\0\0\x10ftypisom\0\0\0\0" + b"\0\0\0\x10moov" + b"\0\0\0\x08mvhd")

    assert missing_end(path) is None


@pytest.mark.parametrize("seconds", [math.inf, math.nan, -1.0, 0.0])
def test_a_length_that_is_no_time_is_not_told(seconds):
    assert share(10, 100, seconds) == Missing(10)
