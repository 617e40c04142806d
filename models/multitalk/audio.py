"""From a voice to what the denoiser listens to: speech features, one row for each video frame."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import torch
from torch.nn import functional

from models.multitalk import convolutions
from models.multitalk.variants import FPS, VOICE_RATE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from torch import Tensor

WINDOW: Final = 5
"""Feature frames that one video frame listens to: two before it, its own, two after it."""
_VARIANCE_EPSILON: Final = 1e-7


@torch.no_grad()
def features(wav2vec: Any, samples: Tensor | NDArray[Any], *, frames: int | None = None) -> Tensor:
    """Features `(frames, layers, hidden)` of a mono voice at 16 kHz: the outputs of all layers.

    `wav2vec` is a `Wav2Vec2Model`. `frames` None: `int(seconds * 25)` in floating point, as in the
    authors' code, which loses the last of 29, 57, 58 … whole frames. The vectors of its
    convolutions, about 50 a second, are interpolated to the frames before the encoder sees them.
    The layers are collected by hooks: transformers 5 returns no hidden states to a caller of the
    encoder alone.
    """
    weight = next(wav2vec.parameters())
    voice = torch.as_tensor(samples, dtype=torch.float32).flatten()
    if frames is None:
        frames = int(len(voice) / VOICE_RATE * FPS)
    normalized = _zero_mean_unit_variance(voice).to(weight.device, weight.dtype)
    extracted = convolutions.extract(wav2vec.feature_extractor, normalized[None])
    per_frame = functional.interpolate(extracted, size=frames, mode="linear", align_corners=True)
    hidden, _ = wav2vec.feature_projection(per_frame.transpose(1, 2))
    with _layer_outputs(wav2vec.encoder) as outputs:
        wav2vec.encoder(hidden)
    return torch.stack([output[0] for output in outputs], dim=1)


def windows(rows: Tensor, start: int, frames: int) -> Tensor:
    """Windows `(people, frames, 5, layers, hidden)` of the video frames from `start` on.

    `rows` is `(people, rows, layers, hidden)`; beyond its ends the first and the last row repeat.
    """
    offsets = torch.arange(WINDOW, device=rows.device) - WINDOW // 2
    centers = torch.arange(start, start + frames, device=rows.device)
    index = (centers[:, None] + offsets).clamp(0, rows.shape[1] - 1)
    return rows[:, index]


def group(windows: Tensor) -> tuple[Tensor, Tensor]:
    """Group windows `(people, 4k + 1, 5, layers, hidden)` by latent frames: 1, then 4 and 4.

    Returns `(people, 1, 5, …)` and `(people, k, 8, …)`: of four video frames the first gives its
    window up to its own features, the last from its own on, those between them their own only.
    """
    middle = windows.shape[2] // 2
    people, frames, *rest = windows.shape
    fours = windows[:, 1:].reshape(people, (frames - 1) // 4, 4, *rest)
    latter = torch.cat(
        [
            fours[:, :, 0, : middle + 1],
            fours[:, :, 1:-1, middle],
            fours[:, :, -1, middle:],
        ],
        dim=2,
    )
    return windows[:, :1], latter


def _zero_mean_unit_variance(voice: Tensor) -> Tensor:
    centered = voice - voice.mean()
    variance = centered.square().mean()
    return centered / torch.sqrt(variance + _VARIANCE_EPSILON)


@contextmanager
def _layer_outputs(encoder: Any) -> Iterator[list[Tensor]]:
    """The outputs `(1, frames, hidden)` of the encoder's layers, in order, once it has run."""
    outputs: list[Tensor] = []

    def collect(_layer: object, _inputs: object, output: Any) -> None:
        outputs.append(output[0] if isinstance(output, tuple) else output)

    hooks = [layer.register_forward_hook(collect) for layer in encoder.layers]
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()
