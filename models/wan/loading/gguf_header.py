"""Reads the header of a GGUF file within limits: names, shapes and types of its tensors.

The reader of the library `gguf` believes every count in a file: an array of 2^60 elements took
31 s and 2.6 GB before it failed. So each file is read here first. What passes is safe for the
library, which diffusers uses to load the values.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, Final

from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

MAX_FIELDS: Final = 10_000
MAX_ELEMENTS: Final = 100_000
"""Of all arrays together. A denoiser has a few numbers; only language models have vocabularies."""
MAX_TENSORS: Final = 20_000
"""The largest Wan denoiser has 1,300."""
MAX_TEXT_BYTES: Final = 1024 * 1024
MAX_NAME_BYTES: Final = 1024
"""Of a key or of a tensor, which are kept; the format allows a tensor 64."""
MAX_SIDES: Final = 8

_VERSIONS: Final = (2, 3)
_TEXT, _ARRAY, _UINT32 = 8, 9, 4
_NUMBER_BYTES: Final = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of a number, by its type."""
_ALIGNMENT: Final = "general.alignment"


@dataclass(frozen=True)
class TensorHeader:
    """One tensor as the file describes it."""

    name: str
    shape: tuple[int, ...]
    """Logical shape, the slowest dimension first."""
    kind: GGMLQuantizationType
    start: int
    """Offset from the first tensor's."""

    @property
    def size_bytes(self) -> int:
        """Bytes of its values."""
        values, block = GGML_QUANT_SIZES[self.kind]
        return prod(self.shape) // values * block


def tensors(path: Path) -> list[TensorHeader]:
    """The tensors of a GGUF file. Raises `ValueError` for one that is damaged or beyond a limit."""
    with path.open("rb") as file:
        header = _Header(file, path.stat().st_size)
        tensor_count, field_count = header.counts()
        header.skip_fields(field_count)
        found = [header.tensor() for _ in range(tensor_count)]
        room = header.room_for_values()
    if len({tensor.name for tensor in found}) < len(found):
        raise ValueError("two tensors have one name")
    if sum(tensor.size_bytes for tensor in found) > room:
        raise ValueError("its tensors are larger than the file")
    if any(tensor.start + tensor.size_bytes > room for tensor in found):
        raise ValueError("a tensor lies beyond the end of the file")
    return found


class _Header:
    """Reads one part after another; nothing is larger than its limit or the file."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self._elements = 0
        self._alignment = 32

    def counts(self) -> tuple[int, int]:
        """The number of tensors and of fields."""
        magic, version, tensor_count, field_count = self._unpack("<4sIQQ")
        if magic != b"GGUF" or version not in _VERSIONS:
            raise ValueError(f"it is not a little-endian GGUF file of version 2 or 3: {version}")
        if tensor_count > MAX_TENSORS or field_count > MAX_FIELDS:
            raise ValueError(f"it counts {tensor_count:,} tensors and {field_count:,} fields")
        return tensor_count, field_count

    def skip_fields(self, count: int) -> None:
        """Read past all fields; only the alignment is used. No key may occur twice."""
        keys = set()
        for _ in range(count):
            key = self._name()
            (kind,) = self._unpack("<I")
            if key in keys:
                raise ValueError(f"its field {key[:60]!r} occurs twice")
            keys.add(key)
            if key == _ALIGNMENT:
                self._read_alignment(kind)
            else:
                self._skip_value(kind)

    def tensor(self) -> TensorHeader:
        """The next tensor."""
        name = self._name()
        (dimensions,) = self._unpack("<I")
        if dimensions > MAX_SIDES:
            raise ValueError(f"its tensor {name[:60]!r} has {dimensions} dimensions")
        *sides, kind, start = self._unpack(f"<{dimensions}QIQ")
        tensor = TensorHeader(name, tuple(reversed(sides)), GGMLQuantizationType(kind), start)
        values, _ = GGML_QUANT_SIZES[tensor.kind]
        if 0 in sides or (sides and sides[0] % values) or start % self._alignment:
            raise ValueError(f"its tensor {name[:60]!r} has an impossible shape or place")
        return tensor

    def room_for_values(self) -> int:
        """Bytes from the first tensor's place, after the header, to the end of the file."""
        end = self._file.tell()
        return self._size - (end + -end % self._alignment)

    def _read_alignment(self, kind: int) -> None:
        if kind != _UINT32:
            raise ValueError(f"its {_ALIGNMENT} is not a number of 32 bits")
        (self._alignment,) = self._unpack("<I")
        if not 8 <= self._alignment <= 65536 or self._alignment & (self._alignment - 1):
            raise ValueError(f"its {_ALIGNMENT} is {self._alignment}")

    def _skip_value(self, kind: int) -> None:
        if kind == _TEXT:
            self._text()
        elif kind == _ARRAY:
            self._skip_array()
        elif kind in _NUMBER_BYTES:
            self._read(_NUMBER_BYTES[kind])
        else:
            raise ValueError(f"it has a field of the unknown type {kind}")

    def _skip_array(self) -> None:
        kind, count = self._unpack("<IQ")
        self._elements += count
        if self._elements > MAX_ELEMENTS:
            raise ValueError(f"its arrays have more than {MAX_ELEMENTS:,} elements")
        if kind == _ARRAY:
            raise ValueError("it has an array of arrays")
        for _ in range(count):
            self._skip_value(kind)

    def _name(self) -> str:
        name = self._text()
        if len(name) > MAX_NAME_BYTES:
            raise ValueError(f"it has a name of {len(name):,} letters: {name[:60]!r}")
        return name

    def _text(self) -> str:
        (length,) = self._unpack("<Q")
        if length > MAX_TEXT_BYTES:
            raise ValueError(f"it has a text of {length:,} bytes")
        return self._read(length).decode()

    def _unpack(self, layout: str) -> tuple[Any, ...]:
        return struct.unpack(layout, self._read(struct.calcsize(layout)))

    def _read(self, count: int) -> bytes:
        content = self._file.read(count)
        if len(content) < count:
            raise ValueError("it ends within its header")
        return content
