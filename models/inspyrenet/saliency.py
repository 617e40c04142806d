"""The network on its device: pictures in, logits out, in batches that fit the memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import structlog
import torch

from models.inspyrenet.preprocess import dynamic_size, normalized, resized
from models.oom_batches import OomSafeBatches
from models.output_checks import check_finite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from models.inspyrenet.network import InSPyReNet
    from models.inspyrenet.preprocess import Resize, Size

log = structlog.get_logger()

GPU_BATCH: Final = 8
CPU_BATCH: Final = 1
"""Pictures per call. On a CPU more of them only take more memory: 2 GB each at 1024 x 1024."""
MAX_PIXELS: Final = 2304 * 1280
"""Of an input with `dynamic`: 16:9 with a short side of 1280, 3 times the memory of 1024 x 1024."""
CPU_WARM_UP: Final = 128
"""Side of the warm-up picture on a CPU, where nothing is chosen by size; seconds at full size."""

FOUND: Final = 0.5
"""If no pixel is foreground with this probability, the network found nothing."""


class SaliencyModel:
    """A loaded network: float16 on a GPU, its context sums in float32; float32 on a CPU.

    `network` is changed. `compiled` takes minutes at the first picture of each size. Not yet run on
    a GPU.
    """

    def __init__(
        self, network: InSPyReNet, device: torch.device, *, compiled: bool = False
    ) -> None:
        self.base_size = network.base_size
        self.device = device
        network.fold()
        gpu = device.type == "cuda"
        if gpu:
            network.to_half()
        self.dtype = torch.float16 if gpu else torch.float32
        network = network.to(device)
        self._logits = torch.compile(network.logits) if compiled else network.logits
        self._batches = OomSafeBatches(GPU_BATCH if gpu else CPU_BATCH)

    def __str__(self) -> str:
        return f"{self.device.type} {str(self.dtype).removeprefix('torch.')}"

    @property
    def batch_size(self) -> int:
        """Pictures that are best given at a time."""
        return self._batches.batch_size

    def warm_up(self) -> None:
        """Run once: at the base size on a GPU, small on a CPU. Raises `OutputInvalid`."""
        side = CPU_WARM_UP if self.device.type == "cpu" else max(self.base_size)
        noise = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
        self.logits([noise], (side, side) if self.device.type == "cpu" else self.base_size)

    def input_size(self, picture: NDArray[np.uint8], resize: Resize) -> Size:
        """Height and width at which the network sees a picture `(h, w, 3)`."""
        if resize == "static":
            return self.base_size
        return dynamic_size(picture.shape[:2], max_pixels=MAX_PIXELS)

    def logits(
        self, pictures: Sequence[NDArray[np.uint8]], size: Size
    ) -> list[NDArray[np.float32]]:
        """The maps `size` of pictures `(h, w, 3)` of one shape, before the sigmoid.

        Raises `OutputInvalid` for NaN, and `torch.OutOfMemoryError` if one picture is too many.
        """

        def run(part: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
            return self._run(part, size)

        return self._batches(run, pictures)

    def _run(self, pictures: Sequence[NDArray[np.uint8]], size: Size) -> list[NDArray[np.float32]]:
        stacked = torch.from_numpy(np.stack(pictures)).to(self.device).permute(0, 3, 1, 2)
        with torch.inference_mode():
            x = normalized(resized(stacked, size)).to(self.dtype)
            logits = self._logits(x)[0]
        check_finite(logits, "the network")
        return list(logits[:, 0].float().cpu().numpy())


@dataclass(frozen=True)
class Saliency:
    """The map of one picture, `(H, W)` in 0..1, and how sure the network was."""

    values: NDArray[np.float32]
    peak: float
    """The highest probability before the map was stretched to 0..1. Below `FOUND` the map shows
    noise."""
    size: Size
    """At which the network saw the picture."""


def find(model: SaliencyModel, picture: NDArray[np.uint8], resize: Resize) -> Saliency:
    """The map of a picture. If `dynamic` does not fit the memory, at the base size instead."""
    (logits,), size = logits_that_fit(model, [picture], model.input_size(picture, resize))
    values = sigmoid(logits)
    return Saliency(stretched(values, values.min(), values.max()), float(values.max()), size)


def logits_that_fit(
    model: SaliencyModel, pictures: Sequence[NDArray[np.uint8]], size: Size
) -> tuple[list[NDArray[np.float32]], Size]:
    """The logits of pictures at `size`, or at the base size if not even one of them fits."""
    try:
        return model.logits(pictures, size), size
    except torch.OutOfMemoryError:
        if size == model.base_size:
            raise
        log.warning("out of memory, at the base size instead", size=size)
        return model.logits(pictures, model.base_size), model.base_size


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities of float32."""
    probabilities: NDArray[np.float32] = 1 / (1 + np.exp(-logits.clip(-80, 80)))
    return probabilities


def stretched(values: NDArray[np.float32], low: Any, high: Any) -> NDArray[np.float32]:
    """Values between `low` and `high` as 0..1, those outside as 0 or 1."""
    result: NDArray[np.float32] = (values - low) / (high - low + np.float32(1e-8))
    return result.clip(0, 1)
