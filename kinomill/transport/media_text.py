"""What is wrong with a text in a media field that is neither an address nor a file id."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Final

from kinomill.transport.uploads import is_uri

MIN_BASE64_CHARACTERS: Final = 64
MAX_PATH: Final = 4096
"""Characters of a path, with the NUL at its end; a data URI may have megabytes."""
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_\-\s]+={0,2}\s*")
_HOST: Final = re.compile(r"(//)?(localhost|[\w-]+(\.[\w-]+)+)(:\d+)?/\S*", re.ASCII)
_SHOWN_CHARACTERS: Final = 80


def media_text_error(value: Any, *, folder: Path = Path(), option: str | None = None) -> str | None:
    """What is wrong with the value of a media field, and what to write; None if nothing is.

    Relative paths are those of `folder`; `option` is another way to name files, if the command
    has one.
    """
    if not isinstance(value, str) or (is_uri(value) and not value.startswith("file://")):
        return None
    also = f" or pass {option}" if option else ""
    if value.startswith("file://"):
        return f"{shown(value)} is a file of this computer: write @{value[7:67]}{also}"
    if names_file(folder / os.path.expanduser(value)):  # noqa: PTH111 - Path's raises
        return f"{shown(value)} is not a URL but a file: write @{value}{also}"
    if looks_like_base64(value):
        return (
            "is bare base64 without its media type: write data:image/jpeg;base64,… or "
            "data:audio/wav;base64,… in one line, or save it as a file"
        )
    if _HOST.fullmatch(value):
        address = value.removeprefix("//")
        return f"{shown(value)} is not a URL: for an address write https://{address[:60]}"
    return f"{shown(value)} is not a URL; for a file write @PATH{also}"


def names_file(path: str | Path) -> bool:
    """Whether this is the path of a file. A text that is too long for a path is none."""
    text = str(path)
    # no `Path.is_file`: it raises if a name is too long
    return len(text) < MAX_PATH and os.path.isfile(text)  # noqa: PTH113


def looks_like_base64(text: str) -> bool:
    """Whether a text is base64 without a `data:` prefix: wrapped or not, padded or not."""
    compact = "".join(text.split())
    return len(compact) >= MIN_BASE64_CHARACTERS and _BASE64.fullmatch(text) is not None


def shown(text: str) -> str:
    """The text in quotes, shortened."""
    cut = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
    return repr(cut)
