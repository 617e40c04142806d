"""A verdict takes few reads, whatever an upload is made of."""

from __future__ import annotations

import io
import struct

import pytest

from runtime.media.detection import identify
from runtime.media.formats import GIF
from runtime.truncation import missing
from runtime.truncation.detect import READERS, missing_end
from runtime.truncation.missing import Missing

MEGABYTE = 1024 * 1024
EBML = b"\x1a\x45\xdf\xa3\x8b\x42\x82\x88matroska"
GIF_HEAD = b"GIF89a" + struct.pack("<HHBBB", 8, 8, 0, 0, 0)
GIF_IMAGE = b"\x2c" + struct.pack("<HHHHB", 0, 0, 8, 8, 0) + b"\x08"
TINY_PIECES = {
    "gif of blocks of one byte": GIF_HEAD + GIF_IMAGE + b"\x01\x00" * MEGABYTE,
    "gif of blocks of one byte without an end": GIF_HEAD + GIF_IMAGE + b"\x01\x55" * MEGABYTE,
    "gif of full and tiny blocks": GIF_HEAD + GIF_IMAGE + (b"\xff" * 256 + b"\x01\x55") * 8192,
    "gif of empty extensions": GIF_HEAD + b"\x21\xf9\x00" * MEGABYTE,
    "png of empty chunks": b"\x89PNG\r\n\x1a\n" + (bytes(4) + b"teXt" + bytes(4)) * 200_000,
    "apng of empty chunks": b"\x89PNG\r\n\x1a\n" + (bytes(4) + b"acTL" + bytes(4)) * 200_000,
    "matroska of elements of two bytes": EBML + b"\xec\x80" * MEGABYTE,
    "matroska whose segment is of such elements": EBML
    + b"\x18\x53\x80\x67\x08\xff\xff\xff\xff"
    + b"\xec\x80" * MEGABYTE,
    "wav of chunks of eight bytes": b"RIFF\xff\xff\xff\xffWAVE" + b"junk\0\0\0\0" * 200_000,
    "w64 of chunks of 24 bytes": b"riff\x2e\x91\xcf\x11"
    + bytes(32)
    + (bytes(16) + struct.pack("<Q", 24)) * 100_000,
    "caf of empty chunks": b"caff\0\x01\0\0" + (b"free" + bytes(8)) * 200_000,
    "mov of empty boxes": b"\0\0\0\x08free" * 200_000,
    "mov of media and empty boxes": b"\0\0\0\x08mdat" * 200_000,
}


@pytest.mark.parametrize("name", TINY_PIECES)
def test_a_file_of_tiny_pieces_is_left_after_the_most_reads(name, tmp_path):
    content = TINY_PIECES[name]
    data = missing.Bytes(io.BytesIO(content), len(content))
    reader = READERS[identify(content)]

    with pytest.raises(struct.error):
        reader(data)

    assert data.reads == missing.MAX_READS
    path = tmp_path / "upload"
    path.write_bytes(content)
    assert missing_end(path) is None


@pytest.mark.parametrize(("cut", "found"), [(0, None), (1, None), (700, Missing(187))])
def test_a_large_gif_is_judged(tmp_path, cut, found):
    """What its last block lacks; the trailer may be missing."""
    content = GIF_HEAD + (GIF_IMAGE + b"\xff" * 256 * 4000 + b"\0") * 20 + b"\x3b"
    path = tmp_path / "large.gif"
    path.write_bytes(content[: len(content) - cut])

    assert identify(content) is GIF
    assert len(content) > 20_000_000
    assert missing_end(path) == found
