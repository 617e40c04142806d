"""MuseTalk as the engine wants it: hears Whisper, sees 256 x 256, speaks in batches."""

from __future__ import annotations

from fractions import Fraction
from math import floor
from typing import TYPE_CHECKING

from models.musetalk import audio
from models.musetalk.face import face_crop
from models.musetalk.face.face_box import Placer
from models.musetalk.face.mask import CHEEKS, Mode
from models.musetalk.face.mask_tracker import Outline
from models.musetalk.networks import Sight
from models.video import sound

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from models.faces.box import Box
    from models.lipsync.network import Area, Frame
    from models.musetalk.face.face_crop import Mask
    from models.musetalk.networks import MuseTalk


class MuseTalkLips:
    """The networks at work in one job: boxes and masks are calmed from frame to frame.

    `upstream`: what each frame hears, and how many frames there are, is by the authors' schedule,
    and each mask stands for itself.
    """

    def __init__(
        self,
        networks: MuseTalk,
        *,
        mode: Mode = Mode.JAW,
        cheeks: tuple[int, int] = CHEEKS,
        upstream: bool = False,
    ) -> None:
        self._networks = networks
        self._upstream = upstream
        self._placer = Placer(networks.landmarks)
        self._outline = Outline(networks.parser, mode=mode, cheeks=cheeks, calm=not upstream)
        self._last: tuple[Frame, Area, Mask] | None = None
        self.batch = networks.batch

    def length(self, voice: Path, fps: Fraction, frames: int) -> int:
        """All of the voice; in the authors' way the whole frames at a rate cut to an integer."""
        if not self._upstream:
            return frames
        return max(1, floor(Fraction(sum(map(len, _blocks(voice))), audio.RATE) * int(fps)))

    def hear(
        self, voice: Path, fps: Fraction, frames: int, offset: Fraction
    ) -> Iterator[NDArray[np.float32]]:
        """The window of each frame, `(50, width)`, made as they are asked for."""
        return self._networks.ear.hear(
            _blocks(voice), fps, frames=frames, offset=offset, upstream=self._upstream
        )

    def area(self, face: Box, frame: Frame) -> Area:
        """The box with its middle at the bridge of the nose; call it for each frame in order."""
        return self._placer(frame, face)

    def see(self, frame: Frame, area: Area) -> Sight:
        """The face, whole; its latents follow with its first use."""
        return Sight(face_crop.crop(frame, area))

    def speak(self, seen: Sequence[Sight], heard: Sequence[NDArray[np.float32]]) -> Sequence[Frame]:
        """Pictures of 256 x 256."""
        return self._networks.speak(seen, heard)

    def mask(self, frame: Frame, area: Area) -> Mask:
        """Which part of the area a made face shall replace, softly bounded; frames in order.

        The same array, as with a photo, is parsed once.
        """
        if self._last is None or self._last[0] is not frame or self._last[1] != area:
            self._last = frame, area, self._outline(frame, area)
        return self._last[2]

    def paste(self, frame: Frame, area: Area, made: Frame) -> Frame:
        """A copy of the frame in which the face speaks, as the authors lay it over."""
        return face_crop.paste(frame, area, made, self.mask(frame, area))


def _blocks(voice: Path) -> Iterator[NDArray[np.float32]]:
    return sound.blocks(voice, rate=audio.RATE, block=audio.RATE)
