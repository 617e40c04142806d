"""Load folders of diffusers and transformers from disk, strictly."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from safetensors import SafetensorError

from models import checkpoints
from models.errors import WeightsInvalid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_UNREADABLE = (OSError, RuntimeError, ValueError, LookupError, TypeError, SafetensorError)
"""What the loaders of these libraries raise on damaged files."""
_SHOWN = 4

MAX_INDEX_BYTES: Final = 16 * 1024 * 1024
"""The index of a denoiser has 0.1 MB."""

_FILE_NAME: Final = re.compile(r"\w[\w.-]*", re.ASCII)
_SHOWN_LETTERS: Final = 80


def load(cls: Any, folder: Path, **options: Any) -> Any:
    """A network of a class with `from_pretrained`; all names and shapes must match.

    Raises `WeightsInvalid` with the folder and the first names that do not.
    """
    with reading(folder):
        check_folder(folder)
        network, found = cls.from_pretrained(
            folder, local_files_only=True, output_loading_info=True, **options
        )
    _check(found, folder)
    return network


def check_folder(folder: Path) -> None:
    """Raise `WeightsInvalid` if a header is over its limit, or an index names a file elsewhere.

    Libraries differ in which index they read first, and transformers opens whatever one names. So
    every one in the folder is checked.
    """
    for path in folder.glob("*.safetensors"):
        with reading(path):
            checkpoints.check_header(path)
    for path in folder.glob("*.index.json"):
        shards_of(path)


def shards_of(index: Path) -> list[str]:
    """The names of the files that an index lists, all in its own folder.

    Raises `WeightsInvalid`, also for a damaged index.
    """
    with _index_errors(index):
        if index.stat().st_size > MAX_INDEX_BYTES:
            raise ValueError(f"it has more than {MAX_INDEX_BYTES:,} bytes")
        content = json.loads(index.read_text())
    weight_map = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(weight_map, dict) or not weight_map:
        raise WeightsInvalid(f"{index} lists no shards: download it again")
    names = sorted(set(map(str, weight_map.values())))
    leaving = [name for name in names if not _FILE_NAME.fullmatch(name)]
    if leaving:
        raise WeightsInvalid(
            f"{index} lists {leaving[0][:_SHOWN_LETTERS]!r}, which is not a name of a file here"
        )
    return names


@contextmanager
def _index_errors(index: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WeightsInvalid(f"{index} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise WeightsInvalid(f"{index} is damaged: download it again ({error})") from error


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
