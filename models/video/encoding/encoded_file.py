"""What is the same for every file that FFmpeg writes: its streams, its sound, its end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Self

import av
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

from models.video.encoding.x264 import THREADS, core_version
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


class EncodedFile(ABC):
    """A file with a video in BT.709, and a sound that is read no further than the frames.

    A side that the encoding cannot keep grows by one, with its last row or column repeated: the
    attributes `width` and `height` are those of the file. After an exception inside `with` there
    is no file.
    """

    def __init__(
        self,
        path: Path,
        encoding: VideoEncoding,
        *,
        shape: tuple[int, int],
        sound: Path | None,
        metadata: Mapping[str, str] | None,
    ) -> None:
        height, width = shape
        self.path = path
        self.width = width + width % encoding.step
        self.height = height + height % encoding.step
        self._shape = shape
        self._encoding = encoding
        self._soundtrack = Soundtrack(sound) if sound is not None else None
        self._metadata = dict(metadata or {})
        self._reformatter = VideoReformatter()
        self._core = ""

    @property
    @abstractmethod
    def _end(self) -> Fraction:
        """Seconds written so far."""

    @abstractmethod
    def _video_stream(self) -> VideoStream:
        """The stream of the frames, by `_add_video`."""

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

    def _describe(self) -> str:
        return self._encoding.describe(self._core, has_audio=self._audio is not None)

    def _opened(self) -> OutputContainer:
        return av.open(
            f"file:{self.path}",
            "w",
            format=self._encoding.container,
            options=dict(self._encoding.container_options),
        )

    def _add_video(self, time_base: Fraction, rate: Fraction | None = None) -> VideoStream:
        encoding = self._encoding
        options = dict(encoding.options)
        stream: Any = self._container.add_stream(encoding.codec, rate=rate, options=options)
        context = stream.codec_context
        context.thread_type = "FRAME"  # slices cost quality and differ by their number
        context.thread_count = THREADS
        stream.width, stream.height, stream.pix_fmt = self.width, self.height, encoding.pixels
        context.time_base = time_base
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

    def _yuv(self, frame: NDArray[np.uint8], order: str) -> av.VideoFrame:
        """The frame as it is encoded; `order` is FFmpeg's name of its channels."""
        height, width = self._shape
        if (width, height) != (self.width, self.height):
            edge = ((0, self.height - height), (0, self.width - width), (0, 0))
            frame = np.pad(frame, edge, mode="edge")
        return self._reformatter.reformat(
            av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(frame), format=order),
            format=self._encoding.pixels,
            interpolation=_ROUNDED,
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            threads=1,
        )

    def _mux_video(self, packets: Sequence[Packet[VideoStream]]) -> None:
        if packets and not self._core and self._encoding.x264 is not None:
            self._core = core_version(bytes(packets[0]))
        self._container.mux(packets)

    def _add_sound(self) -> None:
        """Add the sound up to the end of the frames."""
        if self._soundtrack is not None:
            self._encode_sound(self._soundtrack.up_to(self._end))

    def _encode_sound(self, chunks: Iterable[AudioFrame]) -> None:
        if self._audio is None:
            return
        for chunk in chunks:
            self._container.mux(self._audio.encode(chunk))

    def _finish(self) -> None:
        if not self._end:
            raise ValueError("a clip needs at least one frame")
        if self._soundtrack is not None:
            self._encode_sound(self._soundtrack.rest(self._end))
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
