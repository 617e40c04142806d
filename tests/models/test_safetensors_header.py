"""The header of safetensors is read within a limit, and no lie in it gets past the reader."""

from __future__ import annotations

import json
import struct

import pytest
import torch
from safetensors.torch import save_file

from models.checkpoints import MAX_HEADER_BYTES, read_tensors
from models.errors import WeightsInvalid
from models.inspyrenet.checkpoint import stated_base_size
from models.latentsync.loading.checkpoint import source_digest
from models.pretrained import load
from models.wan.loading import tensors


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def written(header, length=None, values=bytes(16)):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + values


def one(shape=(4,), offsets=(0, 16), dtype="F32"):
    return written({"w": {"dtype": dtype, "shape": shape, "data_offsets": offsets}})


def two(first, second):
    place = {"dtype": "F32", "shape": [2]}
    return written({"a": place | {"data_offsets": first}, "b": place | {"data_offsets": second}})


LIES = {
    "offsets beyond the end": one(offsets=(0, 2**40)),
    "offsets of 2^64": one(offsets=(0, 2**64)),
    "a start after the end": one(offsets=(16, 0)),
    "a negative start": one(offsets=(-16, 0)),
    "values that overflow": one(shape=(2**32, 2**32, 2**32)),
    "fewer bytes than values": one(shape=(5,)),
    "a shape of text": one(shape=("4",)),
    "a shape of fractions": one(shape=(4.5,)),
    "a shape of 10^6 sides": one(shape=(1,) * 10**6),
    "an unknown type": one(dtype="F999"),
    "tensors that overlap": two((0, 8), (4, 12)),
    "tensors with a gap": two((0, 8), (12, 20)),
    "one place twice": two((0, 8), (0, 8)),
    "a header in a header": written(b"{" + b'"a":{' * 100_000),
    "a header that is cut": written(b"{", length=1000),
    "a header of 8 MB that is not there": written(b"{", length=8_000_000),
}


@pytest.mark.parametrize("case", LIES)
@pytest.mark.parametrize("read", [read_tensors, tensors.safetensors_shapes])
def test_a_header_that_lies_is_refused(path, case, read):
    path.write_bytes(LIES[case])

    with pytest.raises(WeightsInvalid, match=r"model\.safetensors"):
        read(path)


@pytest.mark.parametrize("length", [MAX_HEADER_BYTES + 1, 90_000_000, 2**63, 2**64 - 1])
@pytest.mark.parametrize(
    "read",
    [
        read_tensors,
        tensors.safetensors_shapes,
        stated_base_size,
        source_digest,
        lambda path: load(torch.nn.Module, path.parent),
    ],
)
def test_a_header_over_the_limit_is_not_parsed(path, length, read):
    path.write_bytes(written(b"{", length=length))

    with pytest.raises(WeightsInvalid, match=rf"states a header of {length:,} bytes"):
        read(path)


def test_a_file_of_many_tensors_is_read(path):
    save_file({f"block.{n}.weight": torch.zeros(1) for n in range(20_000)}, path)

    assert len(read_tensors(path)) == 20_000
