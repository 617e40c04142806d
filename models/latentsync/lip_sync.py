"""LatentSync as a `LipSyncNetwork`: sound features and aligned faces, in chunks of 16 frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from models.latentsync import audio, geometry, patch, points, sampling
from models.latentsync.sampling import Schedule
from models.lipsync.chunks import Chunking
from models.video import sound

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from fractions import Fraction
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from models.arrays import Frame
    from models.faces.box import Box
    from models.latentsync.input import Input
    from models.latentsync.networks import LatentSync
    from models.latentsync.patch import AlignedArea
    from models.latentsync.progress import StepProgress
    from models.lipsync.network import CropArea
    from models.resuming.parts import Parts

OVERLAP: Final = 4
"""Frames that neighboring chunks share; one fades into the other."""
_OVERLAP_SECONDS: Final = 1.0
"""Of the pieces of the voice, so that lips do not twitch where one ends."""
_MIN_SAMPLES: Final = audio.RATE // audio.STEPS_PER_SECOND
"""A shorter voice is continued with silence: it would have no features at all."""


def chunking(params: Input) -> Chunking:
    """How the frames of a run are split; without overlap as in the authors' code."""
    return Chunking(sampling.CHUNK, 0 if params.upstream else OVERLAP)


class AlignedFace:
    """An aligned face, and the pixels of its area; encoded on first use.

    Pass the same object for every frame of a photo, and it is encoded once.
    """

    def __init__(self, face: NDArray[np.uint8], area: AlignedArea, source: Frame) -> None:
        self.face = face
        self.area = area
        self.source = source
        self.condition: Tensor | None = None


class LatentSyncSync:
    """The networks with the state of one run: its noise, its options, and what it measured.

    `parts` keeps the latents of finished chunks for another attempt of the same job.
    """

    batch = sampling.CHUNK

    def __init__(
        self, networks: LatentSync, params: Input, progress: StepProgress, parts: Parts
    ) -> None:
        self._networks = networks
        self._parts = parts
        self._chunks = 0
        self._params = params
        self._progress = progress
        self._noise = networks.noise(params.seed)
        self._schedule = Schedule(params.steps, params.guidance, params.cache_interval)
        self._scales: list[float] = []
        self._offsets: list[float] = []

    def frame_count(self, voice: Path, fps: Fraction, frames: int) -> int:
        """All of the voice."""
        return frames

    def audio_features(
        self, voice: Path, fps: Fraction, frames: int, offset: Fraction
    ) -> Iterator[NDArray[np.float32]]:
        """The features of each frame, `(50, width)`, computed as they are consumed."""
        self._progress.expect(frames)
        encoder = self._networks.encoder
        overlap = 0.0 if self._params.upstream else _OVERLAP_SECONDS
        loudest = audio.loudest_energy(_blocks(voice))
        pieces = audio.stream_features(encoder, _blocks(voice), loudest, overlap_seconds=overlap)
        return audio.stream_windows(pieces, fps, frames=frames, offset=offset)

    def crop_area(self, face: Box, frame: Frame) -> AlignedArea:
        """The pixels around the aligned face."""
        size = self._networks.version.size
        matrix = geometry.align(points.brows_and_nose(face), size)
        return patch.aligned_area(matrix, size, frame)

    def prepare_face(self, frame: Frame, area: CropArea) -> AlignedFace:
        """The aligned face, RGB."""
        aligned = _aligned(area)
        source = area.of(frame).copy()
        seen = source if self._params.upstream else patch.smoothed(source, 1 / aligned.scale)
        rgb = np.ascontiguousarray(seen[:, :, ::-1])
        face = geometry.warp(rgb, aligned.transform, self._networks.version.size)
        return AlignedFace(face, aligned, source)

    def mask(self, frame: Frame, area: CropArea) -> NDArray[np.uint8]:
        """Opacity of the generated face in each pixel of the area: the repainted part only."""
        return patch.opacity(self._networks.keep, _aligned(area))

    def paste(self, frame: Frame, area: CropArea, face: Frame) -> Frame:
        """A copy of the frame with an aligned face, composited as in the authors' code."""
        result = frame.copy()
        pixels = sampling.pixels(np.ascontiguousarray(face[:, :, ::-1])).flip(0)
        area.of(result)[:] = geometry.restore(area.of(frame), pixels, _aligned(area).transform)
        return result

    def generate(
        self, faces: Sequence[AlignedFace], features: Sequence[NDArray[np.float32]]
    ) -> list[Frame]:
        """The faces of one chunk with their mouths moved, BGR, in the size of their areas.

        With `upstream` they are aligned faces, for `paste`.
        """
        generated = self._networks.decode(self._latents(faces, features)[0].transpose(0, 1))
        return [self._composed(*pair) for pair in zip(faces, generated, strict=True)]

    def measured(self) -> dict[str, Any]:
        """Notes of the result: device, number format and offload at the end of the run, which may
        change.

        Also how much faces were enlarged, and colors corrected, on average.
        """
        runs_on = {"runs_on": self._networks.runs_on, **self._networks.memory.plan.notes}
        runs_on |= self._parts.notes
        if not self._scales:
            return runs_on
        return {
            **runs_on,
            "face_enlargement": round(float(np.mean(self._scales)), 2),
            "color_correction": round(float(np.mean(self._offsets)), 2),
        }

    def _latents(
        self, faces: Sequence[AlignedFace], features: Sequence[NDArray[np.float32]]
    ) -> Tensor:
        """Those of the next chunk, `(1, 4, f, h, w)`, denoised now or by a lost attempt."""
        number, self._chunks = self._chunks, self._chunks + 1
        self._progress.begin_chunk()
        part = self._parts.take(number)
        if part is not None:
            self._progress.step(self._params.steps)
            return part["latents"]
        latents = self._networks.denoise(
            self._conditions(faces),
            np.stack(features),
            self._noise,
            self._schedule,
            self._progress.step,
        )
        self._parts.keep(number, {"latents": latents})
        return latents

    def _conditions(self, faces: Sequence[AlignedFace]) -> list[Tensor]:
        """The network's condition for each face; one of an earlier chunk is not encoded again."""
        new = list({id(face): face for face in faces if face.condition is None}.values())
        if new:
            encoded = self._networks.encode(torch.stack([sampling.pixels(f.face) for f in new]))
            for face, condition in zip(new, encoded, strict=True):
                face.condition = condition
        return [face.condition for face in faces if face.condition is not None]

    def _composed(self, face: AlignedFace, generated: Tensor) -> Frame:
        source, keep = sampling.pixels(face.face), self._networks.keep
        if self._params.upstream:
            kept = sampling.composite(generated, source, torch.from_numpy(keep))
            levels = ((kept / 2 + 0.5).clamp(0, 1) * 255).round().byte()
            return np.ascontiguousarray(levels.permute(1, 2, 0).numpy()[:, :, ::-1])
        offset = patch.color_offset(generated, source, keep)
        self._offsets.append(float(offset.abs().mean()) * 127.5)
        self._scales.append(1 / face.area.scale)
        return patch.to_area(generated + offset, face.area, face.source)


def _aligned(area: CropArea) -> AlignedArea:
    if not isinstance(area, patch.AlignedArea):
        raise TypeError(f"an area of `crop_area` is needed, not {area}")
    return area


def _blocks(voice: Path) -> Iterator[NDArray[np.float32]]:
    """The voice in seconds, and silence up to the length of one step."""
    count = 0
    for block in sound.blocks(voice, rate=audio.RATE, block=audio.RATE):
        count += len(block)
        yield block
    if count < _MIN_SAMPLES:
        yield np.zeros(_MIN_SAMPLES - count, np.float32)
