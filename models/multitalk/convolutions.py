"""The convolutions of a wav2vec2 model, piece by piece: a long voice needs no more memory.

In one call they take 19 MB for each second of voice, 11 GB for ten minutes. Their first norm has
statistics of the whole voice, so these are computed in a pass of their own.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

_PIECE: Final = 512
"""Output vectors at a time: 10 s of voice."""


def extract(extractor: Any, voice: Tensor) -> Tensor:
    """What `extractor(voice)` returns, `(1, channels, vectors)`, for a voice `(1, samples)`."""
    first, *others = extractor.conv_layers
    norm = getattr(first, "layer_norm", None)
    if not isinstance(norm, nn.GroupNorm):
        statistics = None  # norms of single vectors, or none
    elif norm.num_groups == norm.num_channels:
        statistics = _statistics(first.conv, voice)
    else:
        raise ValueError(f"{norm.num_groups} groups of {norm.num_channels} channels are not known")
    pieces = []
    every = [layer.conv for layer in extractor.conv_layers]
    for samples in _pieces(voice, every, size=_PIECE):
        hidden = _first(first, samples[:, None], statistics)
        for layer in others:
            hidden = layer(hidden)
        pieces.append(hidden)
    return torch.cat(pieces, dim=2)


def _first(layer: Any, samples: Tensor, statistics: tuple[Tensor, Tensor] | None) -> Tensor:
    if statistics is None:
        hidden: Tensor = layer(samples)
        return hidden
    mean, variance = statistics
    norm = layer.layer_norm
    scale = norm.weight / torch.sqrt(variance + norm.eps)
    normalized = (layer.conv(samples) - mean[:, None]) * scale[:, None] + norm.bias[:, None]
    activated: Tensor = layer.activation(normalized)
    return activated


def _statistics(convolution: nn.Conv1d, voice: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of each channel of the first convolution over the whole voice."""
    count, total, squares = 0, 0.0, 0.0
    for samples in _pieces(voice, [convolution], size=_PIECE * 64):
        hidden = convolution(samples[:, None])[0].double()
        count += hidden.shape[1]
        total = total + hidden.sum(dim=1)
        squares = squares + hidden.square().sum(dim=1)
    mean = torch.as_tensor(total / count)
    variance = torch.as_tensor(squares / count) - mean.square()
    return mean.to(voice.dtype), variance.clamp_min(0).to(voice.dtype)


def _pieces(voice: Tensor, convolutions: list[nn.Conv1d], size: int) -> Iterator[Tensor]:
    """The samples of each `size` outputs of these convolutions in a row, which have no padding."""
    stride = prod(one.stride[0] for one in convolutions)
    reach = 1
    for one in reversed(convolutions):
        reach = (reach - 1) * one.stride[0] + one.kernel_size[0]
    outputs = (voice.shape[1] - reach) // stride + 1
    for start in range(0, outputs, size):
        stop = min(start + size, outputs)
        yield voice[:, start * stride : (stop - 1) * stride + reach]
