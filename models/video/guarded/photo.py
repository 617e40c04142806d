"""A decoded photo, and the size in which its sender counts pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Photo:
    """An upright photo as the models get it."""

    image: NDArray[np.uint8]
    """`(H, W, 3)` BGR; smaller than the file if that has too many pixels."""
    width: int
    """Of the upright file, in pixels, in which the sender gives rectangles."""
    height: int

    @property
    def scale(self) -> float:
        """Pixels of the image per pixel of the file, 1 at most."""
        return float(self.image.shape[1] / self.width)
