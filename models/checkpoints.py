"""Tensors out of any published form of a checkpoint, without running what lies in a pickle.

The form is told by the first bytes, never by the name: safetensors, a zip of PyTorch, a TorchScript
archive, or the pickle of PyTorch before 1.6.
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

from models.errors import WeightsInvalid

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from torch import Tensor, nn

_PREFIX = "module."
_COUNTERS = "num_batches_tracked"
_SHOWN = 4
_UNREADABLE = (
    *(SafetensorError, pickle.UnpicklingError, RuntimeError, ValueError, OverflowError),
    *(AssertionError, AttributeError, LookupError, TypeError, struct.error),
)
"""What PyTorch's readers were seen to raise on damaged files."""


def read(path: Path) -> dict[str, Tensor]:
    """All tensors of a file by name, on the CPU. Raises `WeightsInvalid`.

    The `state_dict` of a training checkpoint is taken out, a leading `module.` taken off.
    """
    with _named(path):
        found = _reader(path)(path)
    found = found.get("state_dict", found) if isinstance(found, dict) else found
    if not isinstance(found, dict) or not all(map(torch.is_tensor, found.values())) or not found:
        raise WeightsInvalid(f"{path} holds no weights: a dict of tensors was expected")
    return {str(name).removeprefix(_PREFIX): tensor for name, tensor in found.items()}


def fill(module: nn.Module, path: Path) -> None:
    """Load a file into a module, strictly. Raises `WeightsInvalid` with the first wrong names.

    Counters of batches that are missing, as in some TorchScript archives, count from zero.
    """
    state = read(path)
    wanted = module.state_dict()
    for name in wanted.keys() - state.keys():
        if name.endswith(_COUNTERS):
            state[name] = torch.zeros_like(wanted[name])
    _check(state, wanted, path)
    module.load_state_dict(state, strict=True)


def save(state: Mapping[str, Tensor], path: Path, dtype: torch.dtype) -> None:
    """Write tensors as safetensors, those with a fraction as `dtype`."""
    made = {
        name: tensor.to(dtype if tensor.is_floating_point() else tensor.dtype).contiguous()
        for name, tensor in state.items()
    }
    save_file(made, path, metadata={"format": "pt"})


def _check(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor], path: Path) -> None:
    faults = [
        *_listed("missing", wanted.keys() - state.keys()),
        *_listed("unknown", state.keys() - wanted.keys()),
        *_listed(
            "of another shape",
            {
                name
                for name in wanted.keys() & state.keys()
                if wanted[name].shape != state[name].shape
            },
        ),
    ]
    if faults:
        raise WeightsInvalid(f"{path} does not fit this network: {'; '.join(faults)}")


def _listed(word: str, names: set[str]) -> Iterator[str]:
    if names:
        first = ", ".join(sorted(names)[:_SHOWN])
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        yield f"{word}: {first}{more}"


def _reader(path: Path) -> Any:
    start = _start(path)
    if start[8:9] == b"{":
        return load_file
    refuse_page(path)
    if start.startswith(b"PK"):
        with zipfile.ZipFile(path) as archive:
            scripted = any("/code/" in name for name in archive.namelist())
        return _read_script if scripted else _read_zip
    return _read_pickle


def refuse_page(path: Path) -> None:
    """Raise `WeightsInvalid` for the HTML that a link to a gated or moved file leads to."""
    if _start(path).lstrip().lower().startswith((b"<!doctype", b"<html")):
        raise WeightsInvalid(
            f"{path} is a web page, not weights: the link led to a page about the file"
        )


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(64)


def _read_script(path: Path) -> Any:
    script = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
    return dict(script.state_dict())


def _read_zip(path: Path) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True, mmap=True)


def _read_pickle(path: Path) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Every way in which a file can be broken, as one error that names it."""
    try:
        yield
    except OSError as error:
        raise WeightsInvalid(f"{path} cannot be read: {error.strerror or error}") from error
    except (EOFError, zipfile.BadZipFile) as error:
        raise WeightsInvalid(f"{path} is cut short or damaged: fetch it again") from error
    except _UNREADABLE as error:
        raise WeightsInvalid(
            f"{path} is no checkpoint that can be read: {_reason(error)}"
        ) from error


def _reason(error: Exception) -> str:
    """The first line of what a reader says; some say only at which byte they gave up."""
    lines = str(error).splitlines()
    if not lines or isinstance(error, LookupError):
        return "it is neither safetensors nor a file of PyTorch"
    return lines[0]
