"""Names of a manifest that become paths: none may lead out of its folder."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Final

from pydantic import AfterValidator, Field

MAX_PATH_BYTES: Final = 1024
MAX_NAME_BYTES: Final = 255
"""Of one part of a path: what Linux allows."""

_FORBIDDEN: Final = re.compile(r"[\x00-\x1f\x7f\\]")
"""Control characters, and the separator of Windows."""


def stays_inside(path: str) -> bool:
    """Whether a path with forward slashes stays inside the folder that it is relative to."""
    parts = path.split("/")
    return not (
        path.startswith("/")
        or _FORBIDDEN.search(path)
        or ".." in parts
        or len(path.encode(errors="replace")) > MAX_PATH_BYTES
        or any(len(part.encode(errors="replace")) > MAX_NAME_BYTES for part in parts)
    )


def _relative_path(path: str) -> str:
    if not PurePosixPath(path).parts or not stays_inside(path):
        raise ValueError("must be a relative path inside the model's folder")
    return str(PurePosixPath(path))


def _folder(path: str) -> str:
    return _relative_path(path) if path else path


RelativePath = Annotated[str, AfterValidator(_relative_path)]
"""A relative path with forward slashes that stays inside its folder."""

SubFolder = Annotated[str, AfterValidator(_folder)]
"""The same; empty for the folder itself."""

ProfileName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*$", max_length=64)
]
"""The name of a profile, which is also a name on the volume."""
