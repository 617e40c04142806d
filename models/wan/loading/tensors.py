"""What a file of weights holds, by name and shape, read from its head alone.

A wrong file is found out here in milliseconds: the stock loaders read gigabytes first, and some
of them then leave out what does not fit without a word.
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import gguf
from safetensors import SafetensorError, safe_open

from models.checkpoints import reject_web_page
from models.errors import WeightsInvalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

Shape = tuple[int, ...]

_DAMAGED = (SafetensorError, ValueError, LookupError, TypeError, OverflowError, RuntimeError)
"""What the readers of safetensors and of GGUF were seen to raise on damaged files."""

_PLAIN = {"F32", "F16", "BF16"}
"""Formats of GGUF in which norms and biases lie beside the matrices."""
_SHOWN = 4


def of_safetensors(path: Path) -> dict[str, Shape]:
    """Names and shapes of a safetensors file. Raises `WeightsInvalid`."""
    with readable(path), safe_open(path, framework="pt") as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - no dict


def of_gguf(path: Path) -> tuple[dict[str, Shape], str]:
    """Names and logical shapes of a GGUF file, and the format that most of its matrices have."""
    with readable(path):
        found = gguf.GGUFReader(path).tensors
    shapes = {tensor.name: tuple(map(int, reversed(tensor.shape))) for tensor in found}
    formats = Counter(tensor.tensor_type.name for tensor in found)
    packed = Counter({name: times for name, times in formats.items() if name not in _PLAIN})
    if not found:
        raise WeightsInvalid(f"{path} holds no tensors: fetch it again")
    return shapes, (packed or formats).most_common(1)[0][0]


def compare(found: Mapping[str, Shape], wanted: Mapping[str, Shape], path: Path) -> None:
    """Raise `WeightsInvalid` with the first names that are too many, too few or of other shape."""
    shared = found.keys() & wanted.keys()
    shapes = [
        f"{name} {found[name]} instead of {wanted[name]}"
        for name in sorted(shared)
        if found[name] != wanted[name]
    ]
    refuse(
        path,
        {
            "missing": sorted(wanted.keys() - found.keys()),
            "unknown": sorted(found.keys() - wanted.keys()),
            "of another shape": shapes,
        },
    )


def refuse(path: Path, faults: Mapping[str, Iterable[Any]]) -> None:
    """Raise `WeightsInvalid` if any list of wrong names is not empty."""
    said = []
    for word, names in faults.items():
        listed = list(map(str, names))
        more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
        if listed:
            said.append(f"{word}: {', '.join(listed[:_SHOWN])}{more}")
    if said:
        raise WeightsInvalid(f"{path} does not fit this model: {'; '.join(said)}")


def settings(path: Path) -> dict[str, Any]:
    """A JSON object: a `config.json`, an index. Raises `WeightsInvalid`."""
    with readable(path):
        read = json.loads(path.read_text())
        if not isinstance(read, dict):
            raise TypeError("a JSON object was expected")
    return read


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Every way in which a file can be broken, as one error that names it."""
    try:
        if not path.is_dir():
            reject_web_page(path)
        yield
    except OSError as error:
        raise WeightsInvalid(f"{path} cannot be read: {error.strerror or error}") from error
    except _DAMAGED as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise WeightsInvalid(
            f"{path} is cut short or damaged: fetch it again ({reason})"
        ) from error
