"""ICC profiles made by formula."""

import struct

import numpy as np

P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
"""Colorants of Display P3, adapted to D50 as profiles have it."""
ADOBE = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
WHITE = (0.9642, 1.0, 0.8249)
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def rgb(colorants, curve):
    """A display profile of three colorants and one curve: a gamma, or the five numbers of sRGB."""
    tags = {b"wtpt": xyz(WHITE)}
    for name, colorant in zip((b"r", b"g", b"b"), colorants, strict=True):
        tags[name + b"XYZ"] = xyz(colorant)
        tags[name + b"TRC"] = parametric(curve)
    return profile(b"RGB ", b"mntr", b"XYZ ", tags)


def gray(gamma):
    return profile(b"GRAY", b"mntr", b"XYZ ", {b"wtpt": xyz(WHITE), b"kTRC": parametric((gamma,))})


def cmyk(lab_of):
    """A printer profile: `lab_of(inks)` for the 16 corners of CMYK, between them linear."""
    identity = bytes(range(256))
    corners = [lab_of(tuple(number >> bit & 1 for bit in (3, 2, 1, 0))) for number in range(16)]
    table = np.array([[lab[0] * 2.55, lab[1] + 128, lab[2] + 128] for lab in corners])
    unity = b"".join(fixed(value) for value in (1, 0, 0, 0, 1, 0, 0, 0, 1))
    lut = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + unity + identity * 4
    lut += table.round().clip(0, 255).astype(np.uint8).tobytes() + identity * 3
    return profile(b"CMYK", b"prtr", b"Lab ", {b"wtpt": xyz(WHITE), b"A2B0": lut})


def profile(space, kind, connection, tags):
    entries, body = b"", b""
    start = 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        entries += name + struct.pack(">II", start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    header = bytearray(128)
    header[0:4] = struct.pack(">I", start + len(body))
    header[8:12] = bytes([2, 0x40, 0, 0]) if kind == b"prtr" else bytes([4, 0x30, 0, 0])
    header[12:24] = kind + space + connection
    header[36:40] = b"acsp"
    header[68:80] = b"".join(fixed(value) for value in WHITE)
    return bytes(header) + struct.pack(">I", len(tags)) + entries + body


def fixed(value):
    return struct.pack(">i", round(value * 65_536))


def xyz(values):
    return b"XYZ " + bytes(4) + b"".join(fixed(value) for value in values)


def parametric(numbers):
    kind = {1: 0, 5: 3}[len(numbers)]
    return b"para" + bytes(4) + struct.pack(">HH", kind, 0) + b"".join(map(fixed, numbers))
