"""Read PyTorch's pickles as data, without executing code from them."""

from __future__ import annotations

import pickle
import zipfile
from typing import TYPE_CHECKING, Any

import torch

from models import tensor_archive
from models.errors import WeightsInvalid

if TYPE_CHECKING:
    from pathlib import Path

_UNREADABLE = (
    *(pickle.UnpicklingError, RuntimeError, ValueError, EOFError, OverflowError),
    *(AssertionError, AttributeError, LookupError, TypeError, zipfile.BadZipFile),
)
"""What PyTorch's reader raises on damaged files."""


def load_pickle(path: Path) -> Any:
    """The tensors of a file, in any nesting, on the CPU. Raises `WeightsInvalid`."""
    try:
        tensor_archive.reject_torchscript(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise WeightsInvalid(f"{path} cannot be read: {error.strerror or error}") from error
    except _UNREADABLE as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise WeightsInvalid(f"{path} is not a file of tensors: {reason}") from error
