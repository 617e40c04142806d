"""How long to wait before something that has failed is tried again."""

from __future__ import annotations


def doubling_pause(failures: int, *, first: float, longest: float) -> float:
    """Seconds to wait after this many failures in a row: `first`, twice that, up to `longest`."""
    pause = first
    for _ in range(failures - 1):
        if pause >= longest:
            break
        pause *= 2
    return min(pause, longest)
