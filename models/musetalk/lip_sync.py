"""MuseTalk as a `LipSyncNetwork`: Whisper features and faces of 256 x 256 pixels, in batches."""

from __future__ import annotations

from fractions import Fraction
from math import floor
from typing import TYPE_CHECKING

from models.musetalk import audio
from models.musetalk.face import box, face_crop
from models.musetalk.face.face_box import FaceBoxTracker
from models.musetalk.face.mask import CHEEK_WIDTHS, Mode
from models.musetalk.face.mask_tracker import MaskTracker
from models.musetalk.networks import EncodedFace
from models.video import sound

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from models.arrays import Frame
    from models.faces.box import Box
    from models.lipsync.network import CropArea
    from models.musetalk.face.face_crop import Mask
    from models.musetalk.networks import MuseTalk


class MuseTalkSync:
    """The networks with the state of one run: boxes and masks are smoothed from frame to frame.

    With `upstream`, the audio window of each frame and the number of frames follow the authors'
    schedule, and masks are not smoothed. With `fixed_region`, each box is the area itself: no
    landmarks move it and no margin is added.
    """

    def __init__(
        self,
        networks: MuseTalk,
        *,
        mode: Mode = Mode.JAW,
        cheeks: tuple[int, int] = CHEEK_WIDTHS,
        upstream: bool = False,
        fixed_region: bool = False,
    ) -> None:
        self._networks = networks
        self._upstream = upstream
        self._fixed_region = fixed_region
        self._box_tracker = FaceBoxTracker(networks.landmarks)
        self._mask_tracker = MaskTracker(
            networks.parser, mode=mode, cheeks=cheeks, smooth=not upstream
        )
        self._last: tuple[Frame, CropArea, Mask] | None = None
        self.batch = networks.batch

    def frame_count(self, voice: Path, fps: Fraction, frames: int) -> int:
        """All of the voice; by the authors' schedule whole frames at a rate truncated to an
        integer.
        """
        if not self._upstream:
            return frames
        return max(1, floor(Fraction(sum(map(len, _blocks(voice))), audio.RATE) * int(fps)))

    def audio_features(
        self, voice: Path, fps: Fraction, frames: int, offset: Fraction
    ) -> Iterator[NDArray[np.float32]]:
        """The features of each frame, `(50, width)`, computed as they are consumed."""
        return self._networks.whisper.audio_features(
            _blocks(voice), fps, frames=frames, offset=offset, upstream=self._upstream
        )

    def crop_area(self, face: Box, frame: Frame) -> CropArea:
        """The box centered on the bridge of the nose; call it for each frame in order."""
        if self._fixed_region:
            return box.crop_area(face, frame, margin=0)
        return self._box_tracker(frame, face)

    def prepare_face(self, frame: Frame, area: CropArea) -> EncodedFace:
        """The face; its latents are computed on first use."""
        return EncodedFace(face_crop.crop_face(frame, area))

    def generate(
        self, faces: Sequence[EncodedFace], features: Sequence[NDArray[np.float32]]
    ) -> Sequence[Frame]:
        """Faces of 256 x 256 pixels."""
        return self._networks.generate(faces, features)

    def mask(self, frame: Frame, area: CropArea) -> Mask:
        """Which part of the area the generated face replaces, with soft edges; frames in order.

        The same array, as with a photo, is parsed once.
        """
        if self._last is None or self._last[0] is not frame or self._last[1] != area:
            self._last = frame, area, self._mask_tracker(frame, area)
        return self._last[2]

    def paste(self, frame: Frame, area: CropArea, face: Frame) -> Frame:
        """A copy of the frame with the generated face, blended as in the authors' code."""
        return face_crop.paste(frame, area, face, self.mask(frame, area))


def _blocks(voice: Path) -> Iterator[NDArray[np.float32]]:
    return sound.blocks(voice, rate=audio.RATE, block=audio.RATE)
