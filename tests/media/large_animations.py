"""Animated pictures of many pixels in few bytes."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

from PIL import Image

GIF_HEAD = b"GIF89a"
_GIF_FRAME = (
    b"!\xf9\x04\x04\x04\x00\x00\x00"
    + b","
    + struct.pack("<HHHHB", 0, 0, 1, 1, 0)
    + b"\x02\x02D\x01\0"
)


def gif(width, height, frames, *, extensions=0):
    """Frames of one pixel on a canvas of any size; `extensions` are comments before each."""
    head = GIF_HEAD + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    return head + (b"!\xfe\x01x\0" * extensions + _GIF_FRAME) * frames + b";"


def apng(width, height, frames):
    """A frame of the whole canvas, then frames of one pixel."""
    numbers = iter(range(2 * frames))
    body = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    body += _chunk(b"acTL", struct.pack(">II", frames, 0))
    for frame in range(frames):
        size = (1, 1) if frame else (width, height)
        control = struct.pack(">IIIIIHHBB", next(numbers), *size, 0, 0, 40, 1000, 0, 0)
        pixels = zlib.compress(bytes((1 + -(-size[0] // 8)) * size[1]), 9)
        data = (b"fdAT", struct.pack(">I", next(numbers)) + pixels) if frame else (b"IDAT", pixels)
        body += _chunk(b"fcTL", control) + _chunk(*data)
    return b"\x89PNG\r\n\x1a\n" + body + _chunk(b"IEND", b"")


def webp(width, height, frames):
    """One frame of 16 x 16, repeated on a canvas of any size."""
    content = _animation("WEBP")
    begin = content.index(b"ANMF")
    end = begin + 8 + int.from_bytes(content[begin + 4 : begin + 8], "little")
    head = bytearray(content[12:begin])
    head[12:18] = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBP" + head + content[begin:end] * frames
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def avif(width, height, frames):
    """A file whose headers state this size and number, for two frames of 16 x 16."""
    content = bytearray(_animation("AVIF"))
    track = content.index(b"tkhd")
    end = track - 4 + int.from_bytes(content[track - 4 : track], "big")
    content[end - 8 : end] = struct.pack(">II", width << 16, height << 16)
    sizes = content.index(b"stsz")
    content[sizes + 12 : sizes + 16] = frames.to_bytes(4, "big")
    return bytes(content)


def _chunk(name, data):
    return struct.pack(">I4s", len(data), name) + data + struct.pack(">I", zlib.crc32(name + data))


def _animation(form):
    first, second = (Image.new("RGB", (16, 16), color) for color in ("red", "blue"))
    file = BytesIO()
    first.save(file, form, save_all=True, append_images=[second], duration=40)
    return file.getvalue()
