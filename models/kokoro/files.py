"""Pickles of PyTorch as data, without running what lies in them."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import torch

from models.errors import WeightsInvalid

if TYPE_CHECKING:
    from pathlib import Path

_UNREADABLE = (
    *(pickle.UnpicklingError, RuntimeError, ValueError, EOFError, OverflowError),
    *(AssertionError, AttributeError, LookupError, TypeError),
)
"""What PyTorch's reader was seen to raise on damaged files."""


def read(path: Path) -> Any:
    """The tensors of a file, in whatever they are nested, on the CPU. Raises `WeightsInvalid`."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise WeightsInvalid(f"{path} cannot be read: {error.strerror or error}") from error
    except _UNREADABLE as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise WeightsInvalid(f"{path} is no file of tensors: {reason}") from error
