"""Whisper's encoder as the source of audio features."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from models.musetalk import audio, loading
from models.output_checks import check_finite

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from models.musetalk.audio import Segment, Steps

_NO_OFFSET: Final = Fraction(0)


class WhisperEncoder:
    """Gives all hidden states of the encoder: its input, and the output of each of its layers."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        self._encoder, self._extract = loading.whisper(folder, device)
        self._device = device
        self.width = int(self._encoder.config.d_model)  # type: ignore[union-attr,arg-type]
        """Channels of a step."""

    def audio_features(
        self,
        blocks: Iterable[NDArray[np.float32]],
        fps: float | Fraction,
        *,
        frames: int | None = None,
        offset: Fraction = _NO_OFFSET,
        upstream: bool = False,
    ) -> Iterator[NDArray[np.float32]]:
        """The features of each frame, `(50, width)`, from mono samples at 16 kHz in blocks of any
        size.

        For `frames`, `offset` and `upstream` see `audio.windows`.
        """
        chunks = ((self._steps(segment), segment.end) for segment in audio.segments(blocks))
        return audio.windows(chunks, fps, frames=frames, offset=offset, upstream=upstream)

    @torch.inference_mode()
    def _steps(self, segment: Segment) -> Steps:
        mel = self._extract(segment.samples, sampling_rate=audio.RATE, return_tensors="pt")
        output = self._encoder(mel.input_features.to(self._device), output_hidden_states=True)
        kept = slice(segment.skip, segment.skip + segment.keep)
        layers = [layer[0, kept] for layer in output.hidden_states]
        steps = np.asarray(torch.stack(layers, 1).float().cpu())
        check_finite(steps, "the audio encoder")
        return steps
