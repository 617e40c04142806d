"""Read checkpoints of every published format without running any code from one.

The format is detected from the first bytes, never from the name: safetensors, PyTorch's zip
format, a TorchScript archive, or the plain pickle that PyTorch wrote before 1.6.
"""

from __future__ import annotations

import pickle
import struct
import zipfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from models import tensor_archive, torchscript
from models.errors import WeightsInvalid

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from torch import Tensor, nn

MAX_HEADER_BYTES = 8 * 1024 * 1024
"""Of safetensors; a denoiser of 1,300 tensors needs 0.2 MB."""
_PREFIX = "module."
_COUNTERS = "num_batches_tracked"
_SHOWN = 4
_SHOWN_CHARACTERS = 60
_UNREADABLE = (
    *(SafetensorError, pickle.UnpicklingError, RuntimeError, ValueError, OverflowError),
    *(AssertionError, AttributeError, LookupError, TypeError, struct.error),
)
"""What PyTorch's readers raise on damaged files (found by fuzzing, see `test_checkpoints.py`)."""


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return all tensors of a file by name, on the CPU. Raises `WeightsInvalid`.

    Of a training checkpoint only its `state_dict` is returned. The prefix `module.` that
    `DataParallel` adds to names is removed.
    """
    found = read(path)
    found = found.get("state_dict", found) if isinstance(found, dict) else found
    tensors = checked_state(found, path)
    named = {name.removeprefix(_PREFIX): tensor for name, tensor in tensors.items()}
    if len(named) < len(tensors):
        raise WeightsInvalid(f"{path} has names that differ only by {_PREFIX!r} before them")
    return named


def checked_state(state: Any, path: Path) -> dict[str, Tensor]:
    """The tensors of a state dict by name. Raises `WeightsInvalid` for anything else in it.

    `torch.load(weights_only=True)` runs no code, but accepts any name, such as a tuple, and any
    kind of tensor.
    """
    if not isinstance(state, dict) or not all(map(torch.is_tensor, state.values())) or not state:
        raise WeightsInvalid(f"{path} contains no weights: expected a dict of tensors")
    return {
        checked_name(name, path): checked_tensor(tensor, str(name), path)
        for name, tensor in state.items()
    }


def checked_name(name: Any, path: Path) -> str:
    """The name of a tensor or part. Raises `WeightsInvalid` if it is no text."""
    if not isinstance(name, str):
        shown = repr(name)[:_SHOWN_CHARACTERS]
        raise WeightsInvalid(f"{path} is no checkpoint: {shown} is the name of one of its tensors")
    return name


def checked_tensor(tensor: Any, name: str, path: Path) -> Tensor:
    """A tensor of ordinary values. Raises `WeightsInvalid` for any other."""
    what = _unusable(tensor)
    if what is not None:
        raise WeightsInvalid(
            f"{path} cannot be used: its tensor {name[:_SHOWN_CHARACTERS]!r} {what}"
        )
    found: Tensor = tensor
    return found


def _unusable(tensor: Any) -> str | None:
    if not torch.is_tensor(tensor):
        return "is no tensor"
    if tensor.is_meta:
        return "has no values"
    if tensor.layout != torch.strided or tensor.is_nested or tensor.is_quantized:
        return "is sparse, nested or quantized"
    if tensor.is_complex():
        return "has complex numbers"
    return None


def read(path: Path) -> Any:
    """Return the whole content of a file, tensors on the CPU. Raises `WeightsInvalid`."""
    with _reading(path):
        return _reader(path)(path)


def load_into(
    module: nn.Module, path: Path, *, computed: Mapping[str, Tensor] | None = None
) -> None:
    """Load a file into a module; all names and shapes must match.

    A module on the device "meta" takes the tensors of the file as they are, without a copy.
    Raises `WeightsInvalid` with the first names that do not. Missing `num_batches_tracked`
    counters, as in some TorchScript archives, start at zero; `computed` are values that the file
    may lack, because they do not depend on the training.
    """
    state = dict(computed or {}) | read_tensors(path)
    wanted = module.state_dict()
    for name in wanted.keys() - state.keys():
        if name.endswith(_COUNTERS):
            state[name] = torch.zeros_like(wanted[name], device="cpu")
    _check(state, wanted, path)
    empty = any(parameter.is_meta for parameter in module.parameters())
    module.load_state_dict(state, strict=True, assign=empty)


def save_safetensors(
    state: Mapping[str, Tensor],
    path: Path,
    dtype: torch.dtype | None = None,
    *,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write tensors as safetensors: as they are, or floating-point ones as `dtype`."""
    tensors = {
        name: tensor.to(dtype if tensor.is_floating_point() else tensor.dtype).contiguous()
        for name, tensor in state.items()
    }
    save_file(tensors, path, metadata={"format": "pt"} | dict(metadata or {}))


def _check(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor], path: Path) -> None:
    problems = [
        *_problem("missing", wanted.keys() - state.keys()),
        *_problem("unknown", state.keys() - wanted.keys()),
        *_problem(
            "of another shape",
            {
                name
                for name in wanted.keys() & state.keys()
                if wanted[name].shape != state[name].shape
            },
        ),
    ]
    if problems:
        raise WeightsInvalid(f"{path} does not fit this network: {'; '.join(problems)}")


def _problem(word: str, names: set[str]) -> Iterator[str]:
    if names:
        first = ", ".join(sorted(names)[:_SHOWN])
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        yield f"{word}: {first}{more}"


def _reader(path: Path) -> Any:
    start = _first_bytes(path)
    if start[8:9] == b"{":
        check_header(path)
        return load_file
    reject_web_page(path)
    if start.startswith(b"PK"):
        entries = tensor_archive.names(path)
        return torchscript.read_tensors if tensor_archive.is_torchscript(entries) else _read_zip
    return _read_pickle


def check_header(path: Path) -> None:
    """Raise `WeightsInvalid` if the file is safetensors with a header over the limit.

    The library refuses offsets that overflow, overlap, leave gaps or pass the end of the file, but
    parses a header of up to 100 MB first.
    """
    start = _first_bytes(path)
    length = int.from_bytes(start[:8], "little")
    if start[8:9] == b"{" and length > MAX_HEADER_BYTES:
        raise WeightsInvalid(
            f"{path} states a header of {length:,} bytes, where {MAX_HEADER_BYTES:,} are the "
            "limit: it is damaged, or no weights. Download it again from its author"
        )


def reject_web_page(path: Path) -> None:
    """Raise `WeightsInvalid` for HTML, which the link to a gated or moved file often returns."""
    if _first_bytes(path).lstrip().lower().startswith((b"<!doctype", b"<html")):
        raise WeightsInvalid(
            f"{path} is a web page, not weights. Check its source URL and download it again"
        )


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(64)


def _read_zip(path: Path) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True, mmap=True)


def _read_pickle(path: Path) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn every error of a broken file into `WeightsInvalid`, which names the file."""
    try:
        yield
    except OSError as error:
        raise WeightsInvalid(f"{path} cannot be read: {error.strerror or error}") from error
    except (EOFError, zipfile.BadZipFile) as error:
        raise WeightsInvalid(
            f"{path} is cut short or damaged. Delete it and download it again"
        ) from error
    except _UNREADABLE as error:
        raise WeightsInvalid(f"{path} is not a readable checkpoint: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """The first line of a reader's message; a `LookupError` carries only a byte or a key."""
    lines = str(error).splitlines()
    if not lines or isinstance(error, LookupError):
        return "it is neither safetensors nor a PyTorch file"
    return lines[0]
