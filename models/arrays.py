"""Array types that the models share."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Frame: TypeAlias = NDArray[np.uint8]
"""An image `(height, width, 3)`, BGR, 8 bits a channel."""

Vector: TypeAlias = NDArray[np.float64]
"""Numbers of double precision, of any shape."""
