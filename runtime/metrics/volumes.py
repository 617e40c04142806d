"""Free bytes of folders that programs fill."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

from runtime.metrics.metric import gauge

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from runtime.metrics.exposition import Figures

VOLUME_FREE: Final = gauge(
    "kinomill_volume_free_bytes", "Free bytes of the file system of a folder.", "volume"
)
VOLUME_SIZE: Final = gauge(
    "kinomill_volume_size_bytes", "Size of the file system of a folder.", "volume"
)


def add_volumes(figures: Figures, folders: Mapping[str, Path]) -> None:
    """Add the file systems of these folders, by the name of their label."""
    for volume, folder in folders.items():
        try:
            usage = shutil.disk_usage(folder)
        except OSError:  # its first use creates it, or its network volume is gone
            continue
        figures.add(VOLUME_FREE, usage.free, volume)
        figures.add(VOLUME_SIZE, usage.total, volume)
