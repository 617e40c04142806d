"""Where each file format keeps an XMP packet. XMP Specification Part 3, and RIFF's for WebP."""

from __future__ import annotations

import struct
import zlib
from typing import Final

MP4_XMP: Final = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
"""The type of the `uuid` box that holds the packet in MP4 and QuickTime."""
_PNG_KEYWORD: Final = b"XML:com.adobe.xmp"
_PNG_HEADER: Final = 33
"""Bytes of the signature and the first chunk, IHDR."""
_JPEG_NAMESPACE: Final = b"http://ns.adobe.com/xap/1.0/\0"
_WEBP_XMP, _WEBP_ALPHA = 0x04, 0x10
"""Flags of an extended WebP."""


def mp4_box(xmp: bytes) -> bytes:
    """The box to append to an MP4 or QuickTime file: no offset in the file changes."""
    return struct.pack(">I4s", 24 + len(xmp), b"uuid") + MP4_XMP + xmp


def png(file: bytes, xmp: bytes) -> bytes:
    """A PNG with the packet before its pixels."""
    body = b"iTXt" + _PNG_KEYWORD + b"\0\0\0\0\0" + xmp
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return file[:_PNG_HEADER] + chunk + file[_PNG_HEADER:]


def jpeg(file: bytes, xmp: bytes) -> bytes:
    """A JPEG with the packet after its JFIF header, if it has one, which must be the first."""
    end = 2
    if file[2:4] == b"\xff\xe0":
        end = 4 + int.from_bytes(file[4:6], "big")
    body = _JPEG_NAMESPACE + xmp
    return file[:end] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + file[end:]


def webp(file: bytes, xmp: bytes) -> bytes:
    """A WebP in the extended format with the packet at its end."""
    body = file[12 : 8 + int.from_bytes(file[4:8], "little")]
    if body[:4] != b"VP8X":
        body = _extended_header(body) + body
    flags = body[8] | _WEBP_XMP
    body = body[:8] + bytes([flags]) + body[9:] + _riff_chunk(b"XMP ", xmp)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _extended_header(body: bytes) -> bytes:
    """The chunk that a simple WebP lacks: its size and whether it has alpha."""
    kind, data = body[:4], body[8:18]
    if kind == b"VP8L":
        bits = int.from_bytes(data[1:5], "little")
        width, height, alpha = bits & 0x3FFF, bits >> 14 & 0x3FFF, bits >> 28 & 1
    elif kind == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack("<HH", data[6:10]))
        width, height, alpha = width - 1, height - 1, 0
    else:
        raise ValueError(f"{kind!r} is no chunk of pixels of a WebP")
    content = bytes([_WEBP_ALPHA * alpha, 0, 0, 0])
    content += width.to_bytes(3, "little") + height.to_bytes(3, "little")
    return _riff_chunk(b"VP8X", content)


def _riff_chunk(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
