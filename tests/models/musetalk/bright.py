"""An ONNX file with the inputs and outputs of DWPose that finds the brightest spot of an image.

Written by hand in the wire format of protocol buffers, so that no ONNX package is needed.
"""

from __future__ import annotations

import numpy as np

FLOAT, INT64 = 1, 7
POINTS, WIDTH, HEIGHT = 133, 288, 384


def bright_spot_model():
    """Input (1, 3, 384, 288); outputs (1, 133, 576) and (1, 133, 768), twice as fine.

    All points are the same, and as sure as the spot is bright.
    """
    nodes = [
        *_profile("x", axes=[1, 2]),
        *_profile("y", axes=[1, 3]),
    ]
    constants = [
        *_constants("x", WIDTH),
        *_constants("y", HEIGHT),
    ]
    graph = b"".join(
        (
            *(_field(1, node) for node in nodes),
            _field(2, b"bright"),
            *(_field(5, constant) for constant in constants),
            _field(11, _value("input", (1, 3, HEIGHT, WIDTH))),
            _field(12, _value("simcc_x", (1, POINTS, 2 * WIDTH))),
            _field(12, _value("simcc_y", (1, POINTS, 2 * HEIGHT))),
        )
    )
    return _number(1, 8) + _field(7, graph) + _field(8, _field(1, b"") + _number(2, 13))


def _profile(name, axes):
    """The brightest value of each column or row, twice as fine, for each point."""
    return [
        _node("ReduceMax", ["input"], f"{name}_max", _integers("axes", axes)),
        _node("Reshape", [f"{name}_max", f"{name}_row"], f"{name}_flat"),
        _node("MatMul", [f"{name}_flat", f"{name}_twice"], f"{name}_fine"),
        _node("Expand", [f"{name}_fine", f"{name}_shape"], f"simcc_{name}"),
    ]


def _constants(name, length):
    twice = np.zeros((length, 2 * length), np.float32)
    twice[np.arange(length), 2 * np.arange(length)] = 0.25
    return (
        _tensor(f"{name}_row", np.array([1, 1, length], np.int64)),
        _tensor(f"{name}_twice", twice),
        _tensor(f"{name}_shape", np.array([1, POINTS, 2 * length], np.int64)),
    )


def _node(kind, inputs, output, *attributes):
    return b"".join(
        (
            *(_field(1, name.encode()) for name in inputs),
            _field(2, output.encode()),
            _field(3, output.encode()),
            _field(4, kind.encode()),
            *(_field(5, attribute) for attribute in attributes),
        )
    )


def _integers(name, values):
    return (
        _field(1, name.encode()) + b"".join(_number(8, value) for value in values) + _number(20, 7)
    )


def _tensor(name, values):
    kind = FLOAT if values.dtype == np.float32 else INT64
    dims = b"".join(_number(1, size) for size in values.shape)
    return dims + _number(2, kind) + _field(8, name.encode()) + _field(9, values.tobytes())


def _value(name, shape):
    dims = b"".join(_field(1, _number(1, size)) for size in shape)
    kind = _number(1, FLOAT) + _field(2, dims)
    return _field(1, name.encode()) + _field(2, _field(1, kind))


def _field(number, content):
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _number(number, value):
    return _varint(number << 3) + _varint(value)


def _varint(value):
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
