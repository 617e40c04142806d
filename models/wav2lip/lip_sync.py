"""Wav2Lip as a `LipSyncNetwork`: mel spectrogram windows and faces of 96 x 96 pixels,
in batches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from models.lipsync.network import CropArea
from models.output_checks import check_finite
from models.video import sound
from models.wav2lip import face_crop
from models.wav2lip import mel as mels

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from fractions import Fraction
    from pathlib import Path

    from numpy.typing import NDArray

    from models.arrays import Frame
    from models.faces.box import Box
    from models.lipsync.device import Device
    from models.wav2lip.network import Wav2Lip

PADS = (0, 10, 0, 0)
"""Pixels added to a face box at the top, bottom, left and right, as in the authors' code."""


class Wav2LipSync:
    """The network on its device.

    With `upstream`, the audio window of each frame and the number of frames follow the authors'
    schedule.
    """

    def __init__(
        self,
        network: Wav2Lip,
        device: Device,
        *,
        pads: Sequence[int] = PADS,
        upstream: bool = False,
    ) -> None:
        self._network = network
        self._device = device
        self._pads = pads
        self._upstream = upstream
        self.batch = device.batch

    def frame_count(self, voice: Path, fps: Fraction, frames: int) -> int:
        """All of the voice; by the authors' schedule about 0.12 seconds less."""
        if not self._upstream:
            return frames
        return len(mels.window_starts(_columns(voice), fps, upstream=True))

    def audio_features(
        self, voice: Path, fps: Fraction, frames: int, offset: Fraction
    ) -> Iterator[Any]:
        """The mel window of each frame, `(1, 80, 16)`."""
        if self._upstream:
            starts = mels.window_starts(_columns(voice), fps, upstream=True)
        else:
            starts = [mels.column_at(frame / fps + offset) for frame in range(frames)]
        return mels.windows(_mel(voice), starts)

    def crop_area(self, face: Box, frame: Frame) -> CropArea:
        """The face box with its pads, clipped to the frame."""
        height, width = frame.shape[:2]
        top, bottom, left, right = self._pads
        return CropArea.inside(
            width,
            height,
            (face.x - left, face.y - top, face.x + face.w + right, face.y + face.h + bottom),
        )

    def prepare_face(self, frame: Frame, area: CropArea) -> NDArray[np.float32]:
        """The face, masked and whole, `(6, 96, 96)`."""
        return face_crop.prepare(frame, (area.top, area.bottom, area.left, area.right))

    def mask(self, frame: Frame, area: CropArea) -> None:
        """The default mask: the network generates the whole face, and only its lower
        half is new.
        """

    def paste(self, frame: Frame, area: CropArea, face: Frame) -> Frame:
        """Paste the whole face, with hard edges."""
        return face_crop.paste_image(frame, (area.top, area.bottom, area.left, area.right), face)

    def generate(self, faces: Sequence[Any], features: Sequence[Any]) -> Sequence[Frame]:
        """Faces of 96 x 96 pixels. The face of a photo, the same object each time, is encoded
        once.
        """
        same = all(face is faces[0] for face in faces)
        crops = np.stack(faces[:1] if same else faces)
        generated = self._device.run(self._network, np.stack(features), crops)
        check_finite(generated, "the network")
        return [face_crop.to_image(face) for face in generated]


def _mel(voice: Path) -> Iterator[NDArray[np.float32]]:
    return mels.stream(sound.blocks(voice, rate=mels.RATE, block=mels.RATE))


def _columns(voice: Path) -> int:
    return sum(chunk.shape[1] for chunk in _mel(voice))
