"""Image files whose header can be read in two ways, and mutations of good ones."""

from __future__ import annotations

import io
import struct
import zlib

from PIL import Image

SMALL, LARGER, LARGE = (96, 80), (400, 400), (12_000, 12_000)


def encoded(form, size=SMALL, **options):
    """A noisy picture, so that the file has a body of some length."""
    file = io.BytesIO()
    Image.effect_noise(size, 60).convert("RGB").save(file, form, **options)
    return file.getvalue()


def segment(marker, body):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body


def frame(size, marker=0xC0):
    width, height = size
    return segment(marker, struct.pack(">BHHB", 8, height, width, 1) + b"\x01\x11\x00")


def jpeg(*between, gap=b"", size=LARGE):
    """A gray JPEG of this size with further bytes between its first segment and its frame."""
    file = io.BytesIO()
    Image.new("L", (16, 16)).save(file, "JPEG")
    content = file.getvalue()
    at = content.index(b"\xff\xc0")
    rest = content[at + 13 :]
    return content[:at] + gap + b"".join(between) + frame(size) + rest


def hidden_frame():
    """One program takes `FF 00` for a segment, which hides the frame of 12,000 x 12,000 pixels that
    a decoder finds, and then finds the small frame in what a decoder takes for metadata."""
    small = segment(0xE1, frame(SMALL))
    hidden = frame(LARGE) + small[:4]
    length = struct.pack(">H", len(hidden) + 2)
    return jpeg().replace(frame(LARGE), b"\xff\x00" + length + hidden + small[4:])


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_header(width, height):
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))


def png(*chunks):
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def tiff(*tags, order="<"):
    """A TIFF of tags `(tag, type, count, value)` in this order, without pixels."""
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "I", 8)
    entries = b"".join(struct.pack(order + "HHII", *tag) for tag in tags)
    return head + struct.pack(order + "H", len(tags)) + entries + bytes(200)


def tags(size, *more):
    """The tags of an uncompressed gray TIFF."""
    width, height = size
    usual = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 5)]
    return [*usual, (262, 3, 1, 1), (273, 4, 1, 8), (278, 4, 1, height), (279, 4, 1, 9), *more]


def riff(*chunks):
    body = b"WEBP" + b"".join(
        kind + struct.pack("<I", len(body)) + body + bytes(len(body) % 2) for kind, body in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def canvas(size, flags=0):
    sides = b"".join((side - 1).to_bytes(3, "little") for side in size)
    return b"VP8X", bytes([flags, 0, 0, 0]) + sides


def webp_image(size):
    """The chunk of a lossless image of this size."""
    content = encoded("WEBP", size, lossless=True)
    return content[12:16], content[20:]


def gif(screen, image, *, offset=(0, 0)):
    """A GIF whose first frame has another size or place than its screen."""
    content = bytearray(encoded("GIF", image))
    content[6:10] = struct.pack("<HH", *screen)
    at = 13 + (3 << (content[10] & 7) + 1 if content[10] & 0x80 else 0)
    while content[at] != 0x2C:
        at += 2
        while content[at]:
            at += 1 + content[at]
        at += 1
    content[at + 1 : at + 5] = struct.pack("<HH", *offset)
    return bytes(content)


def bmp(width, height, header=40):
    return b"BM" + bytes(12) + struct.pack("<IiiHH", header, width, height, 1, 24) + bytes(200)


def animated(form):
    frames = [Image.new("RGB", SMALL, color) for color in ("red", "blue")]
    file = io.BytesIO()
    frames[0].save(file, form, save_all=True, append_images=frames[1:])
    return file.getvalue()


DOUBTFUL = {
    "JPEG, a frame behind FF 00": hidden_frame(),
    "JPEG, fill bytes": jpeg(gap=b"\xff\xff\xff"),
    "JPEG, zeros between segments": jpeg(gap=bytes(8)),
    "JPEG, two frames": jpeg(frame(SMALL)),
    "JPEG, a second start": jpeg(gap=b"\xff\xd8"),
    "JPEG, restart marks before the frame": jpeg(gap=b"\xff\xd0\xff\xd0"),
    "JPEG, height in a later segment": jpeg(segment(0xDC, b"\x2e\xe0")),
    "JPEG, a hierarchy": jpeg(segment(0xDE, b"\x08\x00\x50\x00\x60\x00")),
    "JPEG, length of a segment below two": jpeg(gap=b"\xff\xe1\x00\x00"),
    "JPEG, a frame of 0 rows": jpeg(size=(96, 0)),
    "JPEG without a frame": jpeg().replace(frame(LARGE), b""),
    "JPEG of segments only": b"\xff\xd8" + segment(0xFE, b"") * 3000 + frame(SMALL),
    "JPEG without an end": encoded("JPEG")[:-2],
    "PNG, two headers": png(
        png_header(*SMALL), png_header(*LARGE), chunk(b"IDAT", b"x"), chunk(b"IEND", b"")
    ),
    "PNG, a header elsewhere": png(
        chunk(b"tEXt", b"a"), png_header(*SMALL), chunk(b"IDAT", b"x"), chunk(b"IEND", b"")
    ),
    "PNG, a header with a wrong checksum": png(png_header(*SMALL)[:-1] + b"\0")
    + encoded("PNG")[33:],
    "PNG, a header after its pixels": png(
        png_header(*SMALL), chunk(b"IDAT", b"x"), png_header(*LARGE), chunk(b"IEND", b"")
    ),
    "PNG, a chunk cut off": encoded("PNG")[:-16],
    "WebP, a small canvas": riff(canvas(SMALL), webp_image(LARGER)),
    "WebP, a large canvas": riff(canvas(LARGE), webp_image(SMALL)),
    "WebP, two images": riff(webp_image(SMALL), webp_image(LARGER)),
    "WebP, two canvases": riff(canvas(SMALL), canvas(LARGE), webp_image(SMALL)),
    "WebP, a canvas alone": riff(canvas(SMALL)),
    "WebP, longer than its file": encoded("WEBP")[:-20],
    "GIF, a screen smaller than its frame": gif((70, 70), SMALL),
    "GIF, a frame beyond the edge": gif(SMALL, SMALL, offset=(1, 0)),
    "GIF, a screen alone": b"GIF89a" + struct.pack("<HH", *SMALL) + bytes(3) + b";",
    "GIF of comments only": b"GIF89a" + struct.pack("<HH", *SMALL) + bytes(3)
    + b"!\xfe" + b"\x01a" * 30_000,
    "BMP, a negative width": bmp(-96, 80),
    "BMP of OS/2": b"BM" + bytes(12) + struct.pack("<IHHHH", 12, 96, 80, 1, 24) + bytes(200),
    "BMP, a header of 64 bytes": bmp(96, 80, 64),
    "BMP, the most negative height": bmp(96, -(2**31)),
    "TIFF, the width twice": tiff((256, 4, 1, 96), *tags(LARGE)),
    "TIFF, the width twice, last": tiff(*tags(LARGE), (256, 4, 1, 96)),
    "TIFF, the height twice, big-endian": tiff(*tags(SMALL), (257, 4, 1, 9999), order=">"),
    "TIFF, two widths in one tag": tiff((256, 3, 2, 96), *tags(SMALL)[1:]),
    "TIFF, a width of 8 bits": tiff((256, 1, 1, 96), *tags(SMALL)[1:]),
    "TIFF, a fraction as width": tiff((256, 5, 1, 96), *tags(SMALL)[1:]),
    "TIFF, huge tiles": tiff(*tags(SMALL), (322, 4, 1, 2**24 - 16), (323, 4, 1, 64)),
    "TIFF without a height": tiff((256, 4, 1, 96)),
    "TIFF, tags beyond the end": b"II*\0" + struct.pack("<I", 10**6),
    "TIFF, tags in its header": b"II*\0" + struct.pack("<I", 0) + bytes(100),
}  # fmt: skip
"""Files that must be refused, whatever a decoder would make of them."""
