"""Mark a finished file."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Final

from models.file_type import JPEG, MOV, MP4, PNG, WEBP, ZIP
from models.marking import containers
from models.marking.xmp import packet

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from models.file_type import FileType
    from models.marking.source_type import DigitalSourceType

XMP_NAME: Final = "made-by.xmp"
"""The packet in a ZIP, beside the frames that it speaks of."""
_REWRITTEN: Final[dict[FileType, Callable[[bytes, bytes], bytes]]] = {
    PNG: containers.png,
    JPEG: containers.jpeg,
    WEBP: containers.webp,
}


def mark(path: Path, file_type: FileType, source: DigitalSourceType) -> None:
    """Write into a file how it was made. Other types than ours, and WebM, stay as they are.

    A WebM gets its tag while it is written, by `EncodedFile`. Raises `OSError`.
    """
    if file_type in {MP4, MOV}:
        with path.open("ab") as file:
            file.write(containers.mp4_box(packet(source)))
    elif file_type == ZIP:
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(zipfile.ZipInfo(XMP_NAME), packet(source))
    elif file_type in _REWRITTEN:
        path.write_bytes(_REWRITTEN[file_type](path.read_bytes(), packet(source)))
