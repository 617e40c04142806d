"""The file types of results. A runner says which one it made; nothing else decides it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class FileType:
    """The type of a file, as a caller sees it and as its name ends."""

    content_type: str
    """A media type, e.g. `image/png`."""
    extension: str
    """Without a dot, in lower case, e.g. `png`."""
    magic: tuple[tuple[int, bytes], ...] = ()
    """Bytes that every such file has, each with its offset; a worker checks them."""

    @property
    def suffix(self) -> str:
        """The extension with its dot, as `Path.with_suffix` takes it."""
        return f".{self.extension}"

    def fits(self, head: bytes) -> bool:
        """Whether a file that begins with these bytes can be of this type."""
        return all(head[offset : offset + len(text)] == text for offset, text in self.magic)


PNG: Final = FileType("image/png", "png", ((0, b"\x89PNG\r\n\x1a\n"),))
JPEG: Final = FileType("image/jpeg", "jpg", ((0, b"\xff\xd8\xff"),))
WEBP: Final = FileType("image/webp", "webp", ((0, b"RIFF"), (8, b"WEBP")))
MP4: Final = FileType("video/mp4", "mp4", ((4, b"ftyp"),))
MOV: Final = FileType("video/quicktime", "mov", ((4, b"ftyp"),))
WEBM: Final = FileType("video/webm", "webm", ((0, b"\x1a\x45\xdf\xa3"),))
ZIP: Final = FileType("application/zip", "zip", ((0, b"PK\x03\x04"),))

HEAD_BYTES: Final = 16
"""How much of a file `FileType.fits` looks at."""
