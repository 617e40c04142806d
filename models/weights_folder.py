"""Checks a folder of weights before a library reads it: headers, and the indexes of shards."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from models.checkpoints import check_header
from models.errors import WeightsInvalid

if TYPE_CHECKING:
    from pathlib import Path

MAX_INDEX_BYTES: Final = 16 * 1024 * 1024
"""The index of a denoiser has 0.1 MB."""

_FILE_NAME: Final = re.compile(r"\w[\w.-]*", re.ASCII)
_SHOWN_LETTERS: Final = 80


def check_folder(folder: Path) -> None:
    """Raise `WeightsInvalid` if a header is over its limit, or an index names a file elsewhere.

    Libraries differ in which index they read first, and transformers opens whatever one names. So
    every one in the folder is checked.
    """
    for path in folder.glob("*.safetensors"):
        check_header(path)
    for path in folder.glob("*.index.json"):
        shards_of(path)


def shards_of(index: Path) -> list[str]:
    """The names of the files that an index lists, all in its own folder.

    Raises `WeightsInvalid`, also for a damaged index.
    """
    try:
        names = sorted(set(map(str, json.loads(_text(index))["weight_map"].values())))
    except OSError as error:
        raise WeightsInvalid(f"{index} cannot be read: {error.strerror or error}") from error
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        reason = type(error).__name__ if isinstance(error, LookupError) else str(error)
        raise WeightsInvalid(f"{index} is damaged: download it again ({reason})") from error
    if not names:
        raise WeightsInvalid(f"{index} lists no shards: download it again")
    leaving = [name for name in names if not _FILE_NAME.fullmatch(name)]
    if leaving:
        raise WeightsInvalid(
            f"{index} lists {leaving[0][:_SHOWN_LETTERS]!r}, which is not a name of a file here"
        )
    return names


def _text(index: Path) -> str:
    if index.stat().st_size > MAX_INDEX_BYTES:
        raise ValueError(f"it has more than {MAX_INDEX_BYTES:,} bytes")
    return index.read_text()
