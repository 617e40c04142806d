"""Wav2Lip as the engine wants it: hears mel, sees 96 x 96, speaks in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from models.lipsync.network import Area
from models.video import sound
from models.wav2lip import face as faces
from models.wav2lip import mel as mels

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from fractions import Fraction
    from pathlib import Path

    from numpy.typing import NDArray

    from models.faces.box import Box
    from models.lipsync.device import Place
    from models.lipsync.network import Frame
    from models.wav2lip.network import Wav2Lip

PADS = (0, 10, 0, 0)
"""Pixels that a box grows by at the top, bottom, left and right, as upstream does."""


class Wav2LipLips:
    """The network at its place, the CPU or a GPU.

    `upstream`: what each frame hears, and how many frames there are, is by the authors' schedule.
    """

    def __init__(
        self,
        network: Wav2Lip,
        place: Place,
        *,
        pads: Sequence[int] = PADS,
        upstream: bool = False,
    ) -> None:
        self._network = network
        self._place = place
        self._pads = pads
        self._upstream = upstream
        self.batch = place.batch

    def length(self, voice: Path, fps: Fraction, frames: int) -> int:
        """All of the voice; by the authors' schedule about 0.12 seconds less."""
        if not self._upstream:
            return frames
        return len(mels.window_starts(_columns(voice), fps, upstream=True))

    def hear(self, voice: Path, fps: Fraction, frames: int, offset: Fraction) -> Iterator[Any]:
        """The window of each frame, `(1, 80, 16)`."""
        if self._upstream:
            starts = mels.window_starts(_columns(voice), fps, upstream=True)
        else:
            starts = [mels.start_of(frame / fps + offset) for frame in range(frames)]
        return mels.windows(_mel(voice), starts)

    def area(self, face: Box, frame: Frame) -> Area:
        """The face with its pads, cut to the frame."""
        height, width = frame.shape[:2]
        top, bottom, left, right = self._pads
        return Area.inside(
            width,
            height,
            (face.x - left, face.y - top, face.x + face.w + right, face.y + face.h + bottom),
        )

    def see(self, frame: Frame, area: Area) -> NDArray[np.float32]:
        """The face, hidden and whole."""
        return faces.prepare(frame, (area.top, area.bottom, area.left, area.right))

    def mask(self, frame: Frame, area: Area) -> None:
        """The usual one: this network makes the whole face, and only its lower half is new."""

    def paste(self, frame: Frame, area: Area, face: Frame) -> Frame:
        """The whole face, with hard edges."""
        return faces.pasted(frame, (area.top, area.bottom, area.left, area.right), face)

    def speak(self, seen: Sequence[Any], heard: Sequence[Any]) -> Sequence[Frame]:
        """Pictures of 96 x 96."""
        made = self._place.run(self._network, np.stack(heard), np.stack(seen))
        return [faces.picture(face) for face in made]


def _mel(voice: Path) -> Iterator[NDArray[np.float32]]:
    return mels.stream(sound.blocks(voice, rate=mels.RATE, block=mels.RATE))


def _columns(voice: Path) -> int:
    return sum(portion.shape[1] for portion in _mel(voice))
