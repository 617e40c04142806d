"""Write a clip frame by frame, each with its own time, with alpha where the format keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from models.spec import RunResult
from models.video.color.alpha import composite
from models.video.encoding.encoded_file import EncodedFile
from models.video.encoding.frame_clock import TIME_BASE, FrameClock

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from fractions import Fraction
    from pathlib import Path

    from av.packet import Packet
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

    from models.video.encoding.video_encodings import VideoEncoding


class TimedWriter(EncodedFile):
    """The `ClipWriter` of the formats that FFmpeg writes: WebM, MOV and MP4."""

    def __init__(  # noqa: PLR0913 - the properties of a clip, each with its name
        self,
        path: Path,
        encoding: VideoEncoding,
        *,
        width: int,
        height: int,
        sound: Path | None = None,
        color: tuple[int, int, int] = (255, 255, 255),
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(path, encoding, shape=(height, width), sound=sound, metadata=metadata)
        self._color = color
        self._clock = FrameClock()
        self._durations: dict[int, int] = {}

    @property
    def frames(self) -> int:
        """Frames written so far."""
        return self._clock.frames

    @property
    def _end(self) -> Fraction:
        return self._clock.end

    def write(self, frame: NDArray[np.uint8], begin: Fraction, duration: Fraction) -> None:
        """Add a frame, RGBA or RGB, and the sound up to its end."""
        if frame.shape[:2] != self._shape or frame.shape[2:] not in {(3,), (4,)}:
            raise ValueError(f"a frame must be of {self._shape} pixels, not {frame.shape}")
        pts, ticks = self._clock.add(begin, duration)
        encoded = self._yuv(self._as_kept(frame), "rgba" if self._encoding.alpha else "rgb24")
        encoded.pts, encoded.time_base = pts, TIME_BASE
        self._durations[pts] = ticks
        self._mux_video(self._video.encode(encoded))
        self._add_sound()

    def result(self, notes: Mapping[str, Any] | None = None) -> RunResult:
        """The properties of the file, once it is closed. `fps` is the average."""
        return RunResult(
            path=self.path,
            file_type=self._encoding.file_type,
            width=self.width,
            height=self.height,
            fps=self._clock.rate,
            frames=self.frames,
            duration_seconds=float(self._clock.end),
            has_audio=self._audio is not None,
            encoder=self._describe(),
            notes=dict(notes or {}),
        )

    def _video_stream(self) -> VideoStream:
        return self._add_video(TIME_BASE)

    def _as_kept(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The frame with alpha or without, as the file has it."""
        if self._encoding.alpha and frame.shape[2] == 3:
            return np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2RGBA), dtype=np.uint8)
        if frame.shape[2] == 4 and not self._encoding.alpha:
            return composite(frame, self._color)
        return frame

    def _mux_video(self, packets: Sequence[Packet[VideoStream]]) -> None:
        for packet in packets:
            if packet.pts is not None:
                packet.duration = self._durations.pop(packet.pts)
        super()._mux_video(packets)
