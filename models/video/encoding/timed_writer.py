"""Write a clip frame by frame, each with its own time, with alpha where the format keeps it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Self

import av
import cv2
import numpy as np
from av.error import FFmpegError
from av.video.reformatter import (
    ColorPrimaries,
    ColorRange,
    Colorspace,
    ColorTrc,
    Interpolation,
    VideoReformatter,
)

from models.spec import RunResult
from models.video.color.alpha import composite
from models.video.encoding.frame_clock import TIME_BASE, FrameClock
from models.video.encoding.x264 import THREADS
from models.video.soundtrack import RATE, Soundtrack

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from fractions import Fraction
    from pathlib import Path
    from types import TracebackType

    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import OutputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

    from models.video.encoding.video_encodings import VideoEncoding

# Bilinear alone rounds down: gray 128 became 124.
_ROUNDED: Final = Interpolation.BILINEAR | Interpolation.ACCURATE_RND


class TimedWriter:
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
        self.path = path
        self.width = width + width % encoding.step
        self.height = height + height % encoding.step
        self._shape = (height, width)
        self._encoding = encoding
        self._color = color
        self._soundtrack = Soundtrack(sound) if sound is not None else None
        self._metadata = dict(metadata or {})
        self._clock = FrameClock()
        self._durations: dict[int, int] = {}
        self._reformatter = VideoReformatter()

    @property
    def frames(self) -> int:
        """Frames written so far."""
        return self._clock.frames

    def __enter__(self) -> Self:
        try:
            self._container = self._opened()
        except BaseException:
            self._close_sound()
            raise
        try:
            self._container.metadata.update(self._metadata)
            self._video = self._video_stream()
            self._audio = self._audio_stream()
        except BaseException:
            self._discard()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            self._discard()
            return
        try:
            self._finish()
        except BaseException:
            self._discard()
            raise

    def write(self, frame: NDArray[np.uint8], begin: Fraction, duration: Fraction) -> None:
        """Add a frame, RGBA or RGB, and the sound up to its end."""
        if frame.shape[:2] != self._shape or frame.shape[2:] not in {(3,), (4,)}:
            raise ValueError(f"a frame must be of {self._shape} pixels, not {frame.shape}")
        pts, ticks = self._clock.add(begin, duration)
        encoded = self._yuv(frame)
        encoded.pts, encoded.time_base = pts, TIME_BASE
        self._durations[pts] = ticks
        self._mux_video(self._video.encode(encoded))
        if self._soundtrack is not None:
            self._add_sound(self._soundtrack.up_to(self._clock.end))

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
            encoder=self._encoding.describe(has_audio=self._audio is not None),
            notes=dict(notes or {}),
        )

    def _opened(self) -> OutputContainer:
        return av.open(
            f"file:{self.path}",
            "w",
            format=self._encoding.container,
            options=dict(self._encoding.container_options),
        )

    def _video_stream(self) -> VideoStream:
        encoding = self._encoding
        stream: Any = self._container.add_stream(encoding.codec, options=dict(encoding.options))
        context = stream.codec_context
        context.thread_type = "FRAME"
        context.thread_count = THREADS
        stream.width, stream.height, stream.pix_fmt = self.width, self.height, encoding.pixels
        context.time_base = TIME_BASE
        context.colorspace = Colorspace.ITU709
        context.color_range = ColorRange.MPEG
        context.color_primaries = ColorPrimaries.BT709
        context.color_trc = ColorTrc.BT709
        video: VideoStream = stream
        return video

    def _audio_stream(self) -> AudioStream | None:
        if self._soundtrack is None or not self._soundtrack.audible():
            return None
        stream: Any = self._container.add_stream(
            self._encoding.sound, rate=RATE, layout=self._soundtrack.layout
        )
        if self._encoding.sound_bits_per_second:
            stream.codec_context.bit_rate = self._encoding.sound_bits_per_second
        audio: AudioStream = stream
        return audio

    def _yuv(self, frame: NDArray[np.uint8]) -> av.VideoFrame:
        if self._encoding.alpha and frame.shape[2] == 3:
            frame = np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2RGBA), dtype=np.uint8)
        elif frame.shape[2] == 4 and not self._encoding.alpha:
            frame = composite(frame, self._color)
        height, width = self._shape
        if (width, height) != (self.width, self.height):
            edge = ((0, self.height - height), (0, self.width - width), (0, 0))
            frame = np.pad(frame, edge, mode="edge")
        return self._reformatter.reformat(
            av.VideoFrame.from_numpy_buffer(
                np.ascontiguousarray(frame), format="rgba" if self._encoding.alpha else "rgb24"
            ),
            format=self._encoding.pixels,
            interpolation=_ROUNDED,
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            threads=1,
        )

    def _mux_video(self, packets: Sequence[Packet[VideoStream]]) -> None:
        for packet in packets:
            if packet.pts is not None:
                packet.duration = self._durations.pop(packet.pts)
            self._container.mux(packet)

    def _add_sound(self, chunks: Iterable[AudioFrame]) -> None:
        if self._audio is None:
            return
        for chunk in chunks:
            self._container.mux(self._audio.encode(chunk))

    def _finish(self) -> None:
        if not self.frames:
            raise ValueError("a clip needs at least one frame")
        if self._soundtrack is not None:
            self._add_sound(self._soundtrack.rest(self._clock.end))
        self._mux_video(self._video.encode(None))
        if self._audio is not None:
            self._container.mux(self._audio.encode(None))
        self._container.close()
        self._close_sound()

    def _discard(self) -> None:
        self._close_sound()
        with suppress(FFmpegError):
            self._container.close()
        self.path.unlink(missing_ok=True)

    def _close_sound(self) -> None:
        if self._soundtrack is not None:
            self._soundtrack.close()
