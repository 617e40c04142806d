"""Load folders of diffusers and transformers from disk, strictly."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError

from models import weights_folder
from models.errors import WeightsInvalid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_UNREADABLE = (OSError, RuntimeError, ValueError, LookupError, TypeError, SafetensorError)
"""What the loaders of these libraries raise on damaged files."""
_SHOWN = 4


def load(cls: Any, folder: Path, **options: Any) -> Any:
    """A network of a class with `from_pretrained`; all names and shapes must match.

    Raises `WeightsInvalid` with the folder and the first names that do not.
    """
    with reading(folder):
        weights_folder.check_folder(folder)
        network, found = cls.from_pretrained(
            folder, local_files_only=True, output_loading_info=True, **options
        )
    _check(found, folder)
    return network


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn every error of a damaged file into `WeightsInvalid`, which names the path."""
    try:
        yield
    except _UNREADABLE as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise WeightsInvalid(f"{path} cannot be loaded: {reason}") from error


def _check(found: dict[str, Any], folder: Path) -> None:
    problems = [
        f"{word}: {', '.join(sorted(map(str, found[key]))[:_SHOWN])}"
        for word, key in (
            ("missing", "missing_keys"),
            ("unknown", "unexpected_keys"),
            ("of another shape", "mismatched_keys"),
        )
        if found[key]
    ]
    if problems:
        raise WeightsInvalid(f"{folder} does not fit this network: {'; '.join(problems)}")
