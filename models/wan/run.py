"""One image-to-video run, from the fitted images to the frames of the video, for every variant.

Each segment is denoised, decoded and joined to the one before it; frames are yielded while the
next ones are decoded. On the first out-of-memory error the offload plan is degraded and the
segment is computed again.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

import torch

from models.spec import Stage
from models.video.prefetch import prefetch
from models.wan.sampling.decode import decode_frames
from models.wan.sampling.denoise import SegmentInput
from models.wan.sampling.segments import TailBuffer, join

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from models.spec import Report
    from models.wan.memory.offload import OffloadManager
    from models.wan.request.resolve import ResolvedRequest
    from models.wan.sampling.denoise import Denoiser

    Frame = NDArray[np.uint8]

_PREFETCHED_FRAMES = 4
"""Frames decoded ahead of the encoder: as many as one latent frame holds."""


@dataclass
class I2VRun:
    """A resolved request and what computes it."""

    resolved: ResolvedRequest
    offload: OffloadManager
    denoiser: Denoiser
    first: Frame
    """`(height, width, 3)` BGR of the resolved size."""
    last: Frame | None
    report: Report
    notes: dict[str, Any] = field(default_factory=dict)
    """The offload plan after an out-of-memory error, else empty."""
    _degraded: bool = False

    def frames(self) -> Generator[Frame]:
        """All frames of the video in order, `(height, width, 3)` BGR."""
        before: list[Frame] = []
        start = self.first
        for number in range(self.resolved.segments):
            final = number == self.resolved.segments - 1
            segment = SegmentInput(number, start, self.last if final else None)
            latents = self._denoise(segment)
            decoded = self._decode(latents, segment)
            tail = TailBuffer(0 if final else self.resolved.overlap)
            yield from tail.hold_back(join(decoded, before) if before else decoded)
            before = list(tail.frames)
            start = before[0] if before else start

    def _denoise(self, segment: SegmentInput) -> Tensor:
        try:
            return self.denoiser.latents(segment)
        except torch.OutOfMemoryError:
            if self._degraded:
                raise
        notes = self._degrade()  # after the block: its traceback keeps the failed run's tensors
        steps = segment.number * self.resolved.steps
        self.report(Stage.GENERATING, steps, self.resolved.total_steps, notes=notes)
        return self.denoiser.latents(segment)

    def _decode(self, latents: Tensor, segment: SegmentInput) -> Iterator[Frame]:
        done = 0
        self._report_decoding(segment, done)
        while True:
            try:
                decoded = decode_frames(self.offload.vae, latents)
                rest = islice(decoded, done, None)
                with closing(prefetch(rest, steps=_PREFETCHED_FRAMES)) as frames:
                    for frame in frames:
                        done += 1
                        self._report_decoding(segment, done)
                        yield frame
            except torch.OutOfMemoryError:
                if self._degraded:
                    raise
            else:
                return
            self._report_decoding(segment, done, self._degrade())

    def _report_decoding(
        self, segment: SegmentInput, done: int, notes: Mapping[str, Any] | None = None
    ) -> None:
        """Report the decoding of any segment but the last as generating: phases never go back."""
        if segment.number == self.resolved.segments - 1:
            self.report(Stage.ENCODING, done, self.resolved.frames, notes=notes)
        else:
            steps = (segment.number + 1) * self.resolved.steps
            self.report(Stage.GENERATING, steps, self.resolved.total_steps, notes=notes)

    def _degrade(self) -> dict[str, Any]:
        """Degrade the offload plan; returns its notes. Only once: the second error is final."""
        self._degraded = True
        plan = self.offload.degrade()
        if plan is None:
            raise torch.OutOfMemoryError("out of memory, and no strategy needs less of it")
        self.notes |= plan.notes
        return plan.notes
