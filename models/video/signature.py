"""The format of a media file, detected from its first bytes and never from its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runtime.media import detection

if TYPE_CHECKING:
    from pathlib import Path

    from runtime.media.formats import MediaFormat

HEAD_BYTES: Final = detection.HEAD_BYTES
"""Bytes that the detection needs."""


def is_image(head: bytes) -> bool:
    """Whether the bytes start an image that `still.read_still` can read."""
    found = detection.identify(head)
    return found is not None and found.usable_as("image")


def of_file(path: Path) -> MediaFormat | None:
    """The format of a file that is taken.

    Each holds its media in one file: playlists, scripts and vector images, which name other files,
    are not among them.
    """
    return detection.identify_file(path)
