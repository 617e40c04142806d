"""A network with YuNet's twelve outputs that detects bright squares as faces, as ONNX bytes.

ONNX is protocol buffers; the few messages needed are encoded here by hand. For each of the strides
8, 16 and 32, OpenCV expects class, objectness, box and landmarks, by these names.
"""

from __future__ import annotations

import numpy as np

STRIDES = (8, 16, 32)
FACE = 64
"""Width and height in pixels of every box that it returns."""
POINTS = ((-10, -8), (10, -8), (0, 2), (-8, 12), (8, 12))
"""Its landmarks, relative to the center of the box."""


def bright_net():
    """One convolution per stride and output; only stride 8 detects, by the mean of 8 x 8 pixels."""
    nodes, tensors, outputs = [], [], []
    for stride in STRIDES:
        look = 1 / (3 * stride * stride * 255) if stride == 8 else 0.0
        box = [0.5, 0.5, *[np.log(FACE / stride)] * 2]
        points = [value / stride + 0.5 for point in POINTS for value in point]
        for kind, weight, biases in (
            ("cls", look, [0.0]),
            ("obj", look, [0.0]),
            ("bbox", 0.0, box),
            ("kps", 0.0, points),
        ):
            name = f"{kind}_{stride}"
            weights = np.full((len(biases), 3, stride, stride), weight, np.float32)
            tensors += [_tensor(f"{name}.w", weights), _tensor(f"{name}.b", np.float32(biases))]
            tensors.append(_tensor(f"{name}.s", np.array([1, -1, len(biases)], np.int64)))
            nodes += _head(name, stride)
            outputs.append(_value(name, [1, "n", len(biases)]))
    graph = b"".join(
        [
            *(_field(1, node) for node in nodes),
            _field(2, b"bright"),
            *(_field(5, tensor) for tensor in tensors),
            _field(11, _value("input", [1, 3, 640, 640])),
            *(_field(12, output) for output in outputs),
        ]
    )
    return _field(1, 8) + _field(7, graph) + _field(8, _field(1, b"") + _field(2, 13))


def _head(name, stride):
    sides = [stride, stride]
    return [
        _node("Conv", ["input", f"{name}.w", f"{name}.b"], f"{name}.map", {"strides": sides}),
        _node("Transpose", [f"{name}.map"], f"{name}.turned", {"perm": [0, 2, 3, 1]}),
        _node("Reshape", [f"{name}.turned", f"{name}.s"], name, {}),
    ]


def _node(kind, inputs, output, attributes):
    return b"".join(
        [
            *(_field(1, name.encode()) for name in inputs),
            _field(2, output.encode()),
            _field(3, output.encode()),
            _field(4, kind.encode()),
            *(_field(5, _integers(name, values)) for name, values in attributes.items()),
        ]
    )


def _integers(name, values):
    listed = b"".join(_field(8, value) for value in values)
    return _field(1, name.encode()) + listed + _field(20, 7)


def _tensor(name, values):
    kind = 1 if values.dtype == np.float32 else 7
    sides = b"".join(_field(1, side) for side in values.shape)
    return sides + _field(2, kind) + _field(8, name.encode()) + _field(9, values.tobytes())


def _value(name, sides):
    listed = b"".join(
        _field(1, _field(1, side) if isinstance(side, int) else _field(2, side.encode()))
        for side in sides
    )
    return _field(1, name.encode()) + _field(2, _field(1, _field(1, 1) + _field(2, listed)))


def _field(number, value):
    """A field of a message: an integer, or bytes with their length in front."""
    if isinstance(value, int):
        return _integer(number << 3) + _integer(value)
    return _integer(number << 3 | 2) + _integer(len(value)) + value


def _integer(value):
    """A varint: seven bits a byte, the lowest first."""
    written = bytearray()
    while value > 127:
        written.append(value & 127 | 128)
        value >>= 7
    return bytes([*written, value])
