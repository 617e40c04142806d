"""Whisper's encoder, listening to a voice of any length."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from models.musetalk import audio, loading

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from models.musetalk.audio import Segment, Steps

NO_OFFSET: Final = Fraction(0)


class Ear:
    """All hidden states of the encoder: its input, and what comes out of each of its layers."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        self._encoder, self._extract = loading.whisper(folder, device)
        self._device = device
        self.width = int(self._encoder.config.d_model)  # type: ignore[union-attr,arg-type]
        """Channels of a step."""

    def hear(
        self,
        blocks: Iterable[NDArray[np.float32]],
        fps: float | Fraction,
        *,
        frames: int | None = None,
        offset: Fraction = NO_OFFSET,
        upstream: bool = False,
    ) -> Iterator[NDArray[np.float32]]:
        """What each frame hears, `(50, width)`, of mono samples at 16 kHz in blocks of any size.

        `frames`, `offset` and `upstream` are those of `audio.windows`.
        """
        stretches = ((self._steps(segment), segment.end) for segment in audio.segments(blocks))
        return audio.windows(stretches, fps, frames=frames, offset=offset, upstream=upstream)

    @torch.inference_mode()
    def _steps(self, segment: Segment) -> Steps:
        mel = self._extract(segment.samples, sampling_rate=audio.RATE, return_tensors="pt")
        made = self._encoder(mel.input_features.to(self._device), output_hidden_states=True)
        kept = slice(segment.skip, segment.skip + segment.keep)
        layers = [layer[0, kept] for layer in made.hidden_states]
        return np.asarray(torch.stack(layers, 1).float().cpu())
