"""The header of a GGUF file is read within limits, whatever its counts say."""

from __future__ import annotations

import random
import struct
import tracemalloc

import gguf
import numpy as np
import pytest

from models.errors import WeightsInvalid
from models.wan.loading import tensors


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.gguf"


def written(path):
    """A file with every kind of field and three kinds of tensors."""
    writer = gguf.GGUFWriter(path, "wan")
    writer.add_string("general.name", "tiny")
    writer.add_uint64("a.number", 7)
    writer.add_bool("a.flag", True)
    writer.add_array("comfy.gguf.orig_shape.x", [4, 32])
    writer.add_array("a.list", ["first", "second"])
    writer.add_tensor("plain", np.zeros((4, 32), np.float32))
    writer.add_tensor("half", np.zeros((3, 2, 5), np.float16))
    blocks = np.zeros((8, 2 * 22), np.uint8)
    writer.add_tensor("packed", blocks, raw_dtype=gguf.GGMLQuantizationType.Q5_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def header(fields=b"", field_count=1, tensor_count=0, infos=b"", version=3, magic=b"GGUF"):
    head = magic + struct.pack("<IQQ", version, tensor_count, field_count)
    return head + fields + infos + bytes(64)


def text(content):
    return struct.pack("<Q", len(content)) + content


def array(kind, count, content=b""):
    return text(b"a") + struct.pack("<IIQ", 9, kind, count) + content


def info(name=b"w", sides=(4,), kind=0, start=0):
    return text(name) + struct.pack(f"<I{len(sides)}QIQ", len(sides), *sides, kind, start)


def one(**options):
    return header(field_count=0, tensor_count=1, infos=info(**options))


HOSTILE = {
    "an array of 2^60 numbers": header(array(0, 2**60)),
    "an array of 2^60 texts": header(array(8, 2**60)),
    "an array of nothing": header(array(0, 10**6)),
    "arrays in arrays": header(array(9, 2, struct.pack("<IQ", 9, 2) * 500)),
    "many arrays": header(
        b"".join(
            text(b"%d" % n) + struct.pack("<IIQ", 9, 0, 50_000) + bytes(50_000) for n in range(3)
        ),
        3,
    ),
    "a text of 2^60 bytes": header(text(b"a") + struct.pack("<IQ", 8, 2**60)),
    "a key of 2^63 bytes": header(struct.pack("<Q", 2**63)),
    "2^60 fields": header(b"", 2**60),
    "2^60 tensors": header(b"", 0, 2**60),
    "10^4 tensors that are not there": header(b"", 0, 10_000),
    "a field of an unknown type": header(text(b"a") + struct.pack("<I", 99)),
    "a field twice": header((text(b"a") + struct.pack("<IB", 0, 1)) * 2, 2),
    "an alignment of 0": header(text(b"general.alignment") + struct.pack("<II", 4, 0)),
    "an alignment of 3": header(text(b"general.alignment") + struct.pack("<II", 4, 3)),
    "an alignment of 2^31": header(text(b"general.alignment") + struct.pack("<II", 4, 2**31)),
    "a tensor of 2^60 values": one(sides=(2**30, 2**30)),
    "a tensor of 2^64 x 0 values": one(sides=(2**63, 0)),
    "a tensor of 10^6 dimensions": header(b"", 0, 1, text(b"w") + struct.pack("<I", 10**6)),
    "a tensor of an unknown type": one(kind=999),
    "a tensor beyond the end": one(start=2**40),
    "a tensor between two places": one(start=1),
    "part of a block": one(sides=(31,), kind=6),
    "a name twice": header(b"", 0, 2, info() + info(start=32)),
    "tensors that share their values": header(
        b"", 0, 9, b"".join(info(b"%d" % n, (12,)) for n in range(9))
    ),
    "a name of 10^6 bytes": one(name=b"w" * 10**6),
    "a key of 10^5 bytes": header(text(b"k" * 10**5) + struct.pack("<IB", 0, 1)),
    "a name that is no text": one(name=b"\xff\xfe"),
    "another version": header(version=1),
    "another byte order": header(version=3 << 24),
    "another file": header(magic=b"GGML"),
    "nothing": b"",
}


def test_shapes_and_types_are_those_of_the_library(path):
    found, kind = tensors.gguf_shapes(written(path))

    assert found == {"plain": (4, 32), "half": (3, 2, 5), "packed": (8, 64)}
    assert kind == "Q5_0"


@pytest.mark.parametrize("case", HOSTILE)
def test_a_header_that_lies_is_refused_at_little_cost(path, case):
    path.write_bytes(HOSTILE[case])
    tracemalloc.start()

    with pytest.raises(WeightsInvalid, match="truncated or damaged"):
        tensors.gguf_shapes(path)

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000


def test_what_is_accepted_the_library_reads_alike(path):
    whole, chance, accepted = written(path).read_bytes(), random.Random(5), 0

    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(chance.randint(1, 2)):
            damaged[chance.randrange(700)] = chance.choice([0, 1, 4, 8, 9, 127, 255])
        path.write_bytes(damaged)
        try:
            found, _ = tensors.gguf_shapes(path)
        except WeightsInvalid:
            continue
        accepted += 1
        read = gguf.GGUFReader(path).tensors
        assert {one.name: tuple(map(int, reversed(one.shape))) for one in read} == found

    assert accepted > 10
