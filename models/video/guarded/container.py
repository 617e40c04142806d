"""Open a container of FFmpeg for reading: one demuxer, one file, no network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import av

from runtime.media.formats import MAX_CLIP_PIXELS

if TYPE_CHECKING:
    from av.container import InputContainer

MAX_PIXELS: Final = MAX_CLIP_PIXELS
"""Largest frame that is decoded."""


def open_container(path: str, demuxer: str) -> InputContainer:
    """Open a file with this demuxer. Raises `FFmpegError`."""
    options = {
        "format_whitelist": demuxer,
        "protocol_whitelist": "file",
        "max_pixels": str(MAX_PIXELS),
    }
    return av.open(f"file:{path}", "r", format=demuxer, options=options, metadata_errors="replace")
