"""Guidance: how the predictions with and without text and sound are combined."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch

if TYPE_CHECKING:
    from torch import Tensor

_SMALLEST_NORM: Final = 1e-12
_OF_A_SAMPLE: Final = (-4, -3, -2, -1)


class AdaptiveProjectedGuidance:
    """Adaptive projected guidance of one difference over the steps of a run.

    The difference keeps a running sum with `momentum`, its norm is limited to `norm_threshold`
    (0: no limit), and of the part parallel to the prediction only the share `eta` remains. The
    parallel part is what saturates colors over a long video.
    """

    def __init__(self, momentum: float, eta: float, norm_threshold: float) -> None:
        self._momentum = momentum
        self._eta = eta
        self._norm_threshold = norm_threshold
        self._sum: Tensor | None = None

    def __call__(self, diff: Tensor, pred_cond: Tensor) -> Tensor:
        """Return the update of one step for latents `(channels, frames, height, width)`.

        Norms are those of each sample of a batch before these dimensions.
        """
        self._sum = diff if self._sum is None else diff + self._momentum * self._sum
        update = self._limited(self._sum)
        parallel, orthogonal = _split(update, pred_cond)
        return (orthogonal + self._eta * parallel).type_as(diff)

    def _limited(self, update: Tensor) -> Tensor:
        if self._norm_threshold <= 0:
            return update
        norm = _norm(update).clamp_min(_SMALLEST_NORM)
        limited: Tensor = update * (self._norm_threshold / norm).clamp_max(1)
        return limited


def _split(update: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """The parts of an update parallel and orthogonal to a direction, in float64."""
    double, unit = update.double(), direction.double()
    unit = unit / _norm(unit).clamp_min(_SMALLEST_NORM)
    parallel = (double * unit).sum(dim=_OF_A_SAMPLE, keepdim=True) * unit
    return parallel, double - parallel


def _norm(latents: Tensor) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(latents, dim=_OF_A_SAMPLE, keepdim=True)
    return norm
