"""Names and shapes of the tensors in a weight file, read from its header only.

This detects a wrong file in milliseconds. The loaders of the libraries read gigabytes first, and
some of them silently skip tensors that do not fit.
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from models.checkpoints import check_header, reject_web_page
from models.errors import WeightsInvalid
from models.wan.loading import gguf_header

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

Shape = tuple[int, ...]

_DAMAGED = (SafetensorError, ValueError, LookupError, TypeError, OverflowError, RuntimeError)
"""Errors that the readers of safetensors and GGUF were seen to raise on damaged files."""

_UNQUANTIZED = {"F32", "F16", "BF16"}
"""GGUF types of norms and biases beside the quantized matrices."""
_MAX_JSON_BYTES = 16 * 1024 * 1024
"""The index of a denoiser has 0.1 MB."""
_MAX_LISTED = 4
_MAX_NAME = 120


def safetensors_shapes(path: Path) -> dict[str, Shape]:
    """Names and shapes of the tensors of a safetensors file. Raises `WeightsInvalid`."""
    with opened(path) as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - no dict


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """A safetensors file, open for reading; raises `WeightsInvalid` also for what is read of it."""
    with read_errors(path):
        check_header(path)
        with safe_open(path, framework="pt") as file:
            yield file


def gguf_shapes(path: Path) -> tuple[dict[str, Shape], str]:
    """Names and logical shapes of the tensors of a GGUF file, and the type most matrices have.

    Raises `WeightsInvalid`.
    """
    with read_errors(path):
        found = gguf_header.tensors(path)
    shapes = {tensor.name: tensor.shape for tensor in found}
    types = Counter(tensor.kind.name for tensor in found)
    quantized = Counter({name: times for name, times in types.items() if name not in _UNQUANTIZED})
    if not found:
        raise WeightsInvalid(f"{path} has no tensors: download it again")
    return shapes, (quantized or types).most_common(1)[0][0]


def compare(found: Mapping[str, Shape], expected: Mapping[str, Shape], path: Path) -> None:
    """Raise `WeightsInvalid` if tensors are missing, unknown or of another shape."""
    shared = found.keys() & expected.keys()
    shapes = [
        f"{name} {found[name]} instead of {expected[name]}"
        for name in sorted(shared)
        if found[name] != expected[name]
    ]
    raise_on_mismatch(
        path,
        {
            "missing": sorted(expected.keys() - found.keys()),
            "unknown": sorted(found.keys() - expected.keys()),
            "of another shape": shapes,
        },
    )


def raise_on_mismatch(path: Path, mismatches: Mapping[str, Iterable[Any]]) -> None:
    """Raise `WeightsInvalid` if any list of tensor names is not empty; lists the first four."""
    reasons = listed(mismatches)
    if reasons:
        raise WeightsInvalid(f"{path} does not fit this model: {reasons}")


def listed(mismatches: Mapping[str, Iterable[Any]]) -> str:
    """Return the first four names of each list that is not empty, each cut, and how many more."""
    reasons = []
    for kind, names in mismatches.items():
        found = [str(name)[:_MAX_NAME] for name in names]
        more = f" and {len(found) - _MAX_LISTED} more" if len(found) > _MAX_LISTED else ""
        if found:
            reasons.append(f"{kind}: {', '.join(found[:_MAX_LISTED])}{more}")
    return "; ".join(reasons)


def short(path: Path) -> str:
    """Return the name of a file with its folder, e.g. `lora/4step.safetensors`, for callers."""
    return "/".join(path.parts[-2:])


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object such as a `config.json` or an index. Raises `WeightsInvalid`."""
    with read_errors(path):
        if path.stat().st_size > _MAX_JSON_BYTES:
            raise ValueError(f"it has more than {_MAX_JSON_BYTES:,} bytes")
        content = json.loads(path.read_text())
        if not isinstance(content, dict):
            raise TypeError("a JSON object was expected")
    return content


@contextmanager
def read_errors(path: Path) -> Iterator[None]:
    """Map every error of reading a missing or damaged file to `WeightsInvalid` with its path."""
    try:
        if not path.is_dir():
            reject_web_page(path)
        yield
    except OSError as error:
        raise WeightsInvalid(f"{path} cannot be read: {error.strerror or error}") from error
    except _DAMAGED as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise WeightsInvalid(
            f"{path} is truncated or damaged: download it again ({reason})"
        ) from error
