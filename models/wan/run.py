"""One image-to-video job from its pictures to its frames, whatever the model.

A segment is denoised, decoded and joined to the one before it. Frames are handed on while the
next ones are decoded. Memory may run out once: the segment is then done again one rung down.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

import torch

from models.spec import Stage
from models.video.prefetch import ahead
from models.wan.sampling import decode
from models.wan.sampling.denoise import Shot
from models.wan.sampling.segments import Tail, joined

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from models.spec import Report
    from models.wan.memory.offload import Residence
    from models.wan.request.resolve import Resolved
    from models.wan.sampling.denoise import Denoiser

    Frame = NDArray[np.uint8]

_AHEAD = 4
"""Frames that lie ready while one is encoded: what the VAE makes of one latent frame."""


@dataclass
class Job:
    """One wish, settled, and the model that fulfills it."""

    resolved: Resolved
    residence: Residence
    denoiser: Denoiser
    first: Frame
    """`(height, width, 3)` BGR of the resolved size."""
    last: Frame | None
    report: Report
    notes: dict[str, Any] = field(default_factory=dict)
    """What memory that ran out has changed."""
    _fell: bool = False

    def frames(self) -> Generator[Frame]:
        """All frames of the video in order."""
        before: list[Frame] = []
        start = self.first
        for number in range(self.resolved.segments):
            final = number == self.resolved.segments - 1
            shot = Shot(number, start, self.last if final else None)
            latents = self._denoised(shot)
            made = self._decoded(latents, shot)
            tail = Tail(0 if final else self.resolved.overlap)
            yield from tail.through(joined(made, before) if before else made)
            before = list(tail.frames)
            start = before[0] if before else start

    def _denoised(self, shot: Shot) -> Tensor:
        try:
            return self.denoiser.latents(shot)
        except torch.OutOfMemoryError:
            if self._fell:
                raise
        notes = self._fall()  # behind the block, whose traceback holds the failed run's tensors
        steps = shot.number * self.resolved.steps
        self.report(Stage.GENERATING, steps, self.resolved.total_steps, notes=notes)
        return self.denoiser.latents(shot)

    def _decoded(self, latents: Tensor, shot: Shot) -> Iterator[Frame]:
        done = 0
        self._tell(shot, done)
        while True:
            try:
                made = decode.frames(self.residence.vae, latents)
                with closing(ahead(islice(made, done, None), steps=_AHEAD)) as ready:
                    for frame in ready:
                        done += 1
                        self._tell(shot, done)
                        yield frame
            except torch.OutOfMemoryError:
                if self._fell:
                    raise
            else:
                return
            self._tell(shot, done, self._fall())

    def _tell(self, shot: Shot, done: int, notes: Mapping[str, Any] | None = None) -> None:
        """Decoding a segment in the middle counts as generating: phases go forward only."""
        if shot.number == self.resolved.segments - 1:
            self.report(Stage.ENCODING, done, self.resolved.frames, notes=notes)
        else:
            steps = (shot.number + 1) * self.resolved.steps
            self.report(Stage.GENERATING, steps, self.resolved.total_steps, notes=notes)

    def _fall(self) -> dict[str, Any]:
        """One rung down; what a job shows of it. Only once: then the error is the job's."""
        self._fell = True
        plan = self.residence.fall()
        if plan is None:
            raise torch.OutOfMemoryError("out of memory, and no smaller way to lie in it is left")
        self.notes |= plan.notes
        return plan.notes
