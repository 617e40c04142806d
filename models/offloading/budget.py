"""What of a GPU's memory a plan may use. Free of torch."""

from __future__ import annotations

from typing import Final

RESERVED_BYTES: Final = 1_000_000_000
"""GPU memory left unused: the CUDA context, workspaces of its libraries, fragmentation."""
STREAMED_PARTS: Final = 3
"""Layers or blocks on the GPU while a network streams: the current one, the next, and the last not
yet freed."""


def format_gb(size: int) -> str:
    """A size in gigabytes, for the reason of a plan."""
    return f"{size / 1e9:.1f} GB"
