"""From a saliency map to the picture that was asked for. NumPy and OpenCV only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import cv2
import numpy as np

from models.inspyrenet.foreground import estimate_foreground

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

Output = Literal["rgba", "map", "color", "blur", "image", "overlay"]

GREEN: Final = (120, 255, 155)
"""Of the overlay, and the color behind a foreground if none is given."""
BLUR_SIGMA: Final = 15.0
"""Deviation of the blur in pixels, at a height of 1080."""
BLUR_HEIGHT: Final = 1080
_CANNY: Final = (50, 100)


@dataclass(frozen=True)
class _Layers:
    """A picture `(h, w, 3)`, its alpha `(h, w)` in 0..1, and what is to be made of them."""

    rgb: NDArray[np.uint8]
    alpha: NDArray[np.float32]
    color: Sequence[int]
    background: NDArray[np.uint8] | None
    refine: bool
    upstream: bool

    def to_bytes(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """0..255 as uint8: rounded, or cut off as upstream does."""
        half = np.float32(0 if self.upstream else 0.5)
        return np.clip(values + half, 0, 255).astype(np.uint8)

    def over(self, background: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The picture over a background of its size, or of one pixel."""
        alpha = self.alpha[..., np.newaxis]
        return self.to_bytes(self.rgb * alpha + background * (1 - alpha))


def compose(  # noqa: PLR0913 - the options of a job, each with its name
    rgb: NDArray[np.uint8],
    saliency: NDArray[Any],
    *,
    output: Output,
    color: Sequence[int] | str | None = None,
    background: NDArray[np.uint8] | None = None,
    threshold: float | None = None,
    reverse: bool = False,
    refine_foreground: bool = True,
    upstream: bool = False,
) -> NDArray[np.uint8]:
    """`(h, w, 4)` with straight alpha for `rgba`, else `(h, w, 3)`; RGB of uint8.

    `rgb` is `(h, w, 3)`; `saliency`, in 0..1 and of any size, is resized to it. `threshold` makes
    it 0 or 1, and `reverse` swaps foreground and background. `color`, three numbers or `#rrggbb`,
    goes with `color`, and `background`, of any size, with `image`. With `refine_foreground`, the
    colors of `rgba` are an estimate of the foreground alone, unless a threshold makes hard edges.

    `upstream` computes as the authors' package: numbers are cut off, the background is stretched
    instead of cropped, the blur does not depend on the height.
    """
    height, width = rgb.shape[:2]
    layers = _Layers(
        rgb,
        prepared_alpha(saliency, (height, width), threshold=threshold, reverse=reverse),
        _rgb(color),
        background,
        refine_foreground and threshold is None,
        upstream,
    )
    return _OUTPUTS[output](layers)


def _rgb(color: Sequence[int] | str | None) -> Sequence[int]:
    if color is None:
        return GREEN
    return tuple(bytes.fromhex(color.removeprefix("#"))) if isinstance(color, str) else color


def prepared_alpha(
    saliency: NDArray[Any],
    size: tuple[int, int],
    *,
    threshold: float | None = None,
    reverse: bool = False,
) -> NDArray[np.float32]:
    """The map at `size` (height, width), then the threshold, then reversed."""
    alpha = resize_aligned(np.asarray(saliency, np.float32).reshape(saliency.shape[-2:]), size)
    if threshold is not None:
        alpha = (alpha > threshold).astype(np.float32)
    return 1 - alpha if reverse else alpha


def resize_aligned(values: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """A map `(h, w)` at another size, bilinear, with the corner pixels' centers aligned.

    OpenCV has no such resize, and its `remap` computes with positions of 1/32 pixel.
    """
    for axis, length in ((1, size[1]), (0, size[0])):
        if values.shape[axis] != length:
            values = _resize_axis(values, length, axis)
    return values


def _resize_axis(values: NDArray[np.float32], length: int, axis: int) -> NDArray[np.float32]:
    last = values.shape[axis] - 1
    positions = np.linspace(0, last, length) if length > 1 else np.zeros(1)
    left = np.minimum(positions.astype(np.intp), max(last - 1, 0))
    share = (positions - left).astype(np.float32)
    share = share[np.newaxis, :] if axis else share[:, np.newaxis]
    start = values.take(left, axis)
    result: NDArray[np.float32] = start + share * (
        values.take(np.minimum(left + 1, last), axis) - start
    )
    return result


def cover(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """A picture that fills `size` (height, width) with its proportions kept, cropped around its
    center.
    """
    height, width = size
    scale = max(height / picture.shape[0], width / picture.shape[1])
    rows = min(picture.shape[0], max(1, round(height / scale)))
    columns = min(picture.shape[1], max(1, round(width / scale)))
    top, left = (picture.shape[0] - rows) // 2, (picture.shape[1] - columns) // 2
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    cropped = np.ascontiguousarray(picture[top : top + rows, left : left + columns])
    return np.asarray(cv2.resize(cropped, (width, height), interpolation=method), np.uint8)


def _rgba(layers: _Layers) -> NDArray[np.uint8]:
    refined = estimate_foreground(layers.rgb, layers.alpha) if layers.refine else layers.rgb
    return np.dstack([refined, layers.to_bytes(layers.alpha * 255)])


def _map(layers: _Layers) -> NDArray[np.uint8]:
    return np.repeat(layers.to_bytes(layers.alpha * 255)[..., np.newaxis], 3, axis=2)


def _color(layers: _Layers) -> NDArray[np.uint8]:
    return layers.over(np.array(layers.color, np.uint8))


def _blur(layers: _Layers) -> NDArray[np.uint8]:
    height = BLUR_HEIGHT if layers.upstream else layers.rgb.shape[0]
    sigma = BLUR_SIGMA * height / BLUR_HEIGHT
    return layers.over(np.asarray(cv2.GaussianBlur(layers.rgb, (0, 0), sigma), np.uint8))


def _image(layers: _Layers) -> NDArray[np.uint8]:
    if layers.background is None:
        raise ValueError("output `image` needs a background")
    height, width = layers.rgb.shape[:2]
    if layers.upstream:
        stretched = cv2.resize(layers.background, (width, height), interpolation=cv2.INTER_LINEAR)
        return layers.over(np.asarray(stretched, np.uint8))
    return layers.over(cover(layers.background, (height, width)))


def _overlay(layers: _Layers) -> NDArray[np.uint8]:
    """The foreground tinted, with a line along its edge."""
    green = np.array(GREEN, np.uint16)
    tinted = ((layers.rgb + green) // 2).astype(np.uint8)
    alpha = layers.alpha[..., np.newaxis]
    result = layers.to_bytes(tinted * alpha + layers.rgb * (1 - alpha))
    line = cv2.Canny((layers.alpha > 0.5).astype(np.uint8) * 255, *_CANNY)
    result[np.asarray(line) > 0] = green
    return result


_OUTPUTS: Final[dict[str, Callable[[_Layers], NDArray[np.uint8]]]] = {
    "rgba": _rgba,
    "map": _map,
    "color": _color,
    "blur": _blur,
    "image": _image,
    "overlay": _overlay,
}
