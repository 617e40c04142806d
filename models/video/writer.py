"""Write an MP4 frame by frame, with its sound: H.264 and AAC, encoded once."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
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

from models.settings import EncoderSettings
from models.spec import RunResult
from models.video.encoding.x264 import THREADS, X264, core_version
from models.video.soundtrack import RATE, Soundtrack

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import OutputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

    from models.settings import X264Simd

SOUND_BITS_PER_SECOND: Final = 160_000

# Bilinear alone rounds down: gray 128 became 124.
_ROUNDED: Final = Interpolation.BILINEAR | Interpolation.ACCURATE_RND


class Writer:
    """An MP4 that can be played while it downloads: H.264 High, yuv420p in BT.709, AAC up to
    stereo.

    Frames are `(height, width, 3)` BGR of uint8. An odd side grows by one, with its last row or
    column repeated: the attributes `width` and `height` are those of the file. Sound and picture
    start together at 0. The sound is as long as its source but ends with the last frame at the
    latest: ceil(seconds * fps) frames keep all of it. It is encoded along with the frames, so
    memory does not grow with the length. After an exception inside `with` there is no file.

    Equal frames, sound and metadata give equal files: the same on any number of cores, at any time.
    `simd` None: as `KINOMILL_X264_SIMD` says.
    """

    def __init__(  # noqa: PLR0913 - an encoder's settings, each with its name
        self,
        path: Path,
        *,
        width: int,
        height: int,
        fps: Fraction,
        sound: Path | None = None,
        metadata: Mapping[str, str] | None = None,
        crf: int = 18,
        preset: str = "veryfast",
        simd: X264Simd | None = None,
    ) -> None:
        self.path = path
        self.width = width + width % 2
        self.height = height + height % 2
        self.fps = Fraction(fps)
        self.frames = 0
        self._shape = (height, width, 3)
        self._soundtrack = Soundtrack(sound) if sound is not None else None
        self._metadata = dict(metadata or {})
        self._x264 = X264(crf, preset, simd or EncoderSettings().x264_simd)
        self._x264_version = ""
        self._reformatter = VideoReformatter()

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

    def write(self, frame: NDArray[np.uint8]) -> None:
        """Add a frame and the sound up to its end."""
        if frame.shape != self._shape or frame.dtype != np.uint8:
            raise ValueError(f"a frame must be uint8 of {self._shape}, not {frame.shape}")
        encoded = self._yuv(frame)
        encoded.pts = self.frames
        encoded.time_base = 1 / self.fps
        self._mux_video(self._video.encode(encoded))
        self.frames += 1
        if self._soundtrack is not None:
            self._add_sound(self._soundtrack.up_to(self.frames / self.fps))

    def result(self, notes: Mapping[str, Any] | None = None) -> RunResult:
        """The properties of the file, once it is closed."""
        return RunResult(
            path=self.path,
            width=self.width,
            height=self.height,
            fps=self.fps,
            frames=self.frames,
            duration_seconds=float(self.frames / self.fps),
            has_audio=self._audio is not None,
            encoder=self._describe_encoders(),
            notes=dict(notes or {}),
        )

    def _describe_encoders(self) -> str:
        video = self._x264.describe(self._x264_version)
        return f"{video}; aac {SOUND_BITS_PER_SECOND} bit/s" if self._audio is not None else video

    def _opened(self) -> OutputContainer:
        return av.open(
            f"file:{self.path}",
            "w",
            format="mp4",
            options={"movflags": "+faststart+use_metadata_tags"},
        )

    def _video_stream(self) -> VideoStream:
        stream = self._container.add_stream("libx264", rate=self.fps, options=self._x264.options)
        stream.codec_context.thread_type = "FRAME"  # slices cost quality and differ by their number
        stream.codec_context.thread_count = THREADS
        stream.width, stream.height, stream.pix_fmt = self.width, self.height, "yuv420p"
        stream.codec_context.time_base = 1 / self.fps
        stream.codec_context.colorspace = Colorspace.ITU709
        stream.codec_context.color_range = ColorRange.MPEG
        stream.codec_context.color_primaries = ColorPrimaries.BT709
        stream.codec_context.color_trc = ColorTrc.BT709
        return stream

    def _audio_stream(self) -> AudioStream | None:
        if self._soundtrack is None or not self._soundtrack.audible():
            return None
        return self._container.add_stream(
            "aac", rate=RATE, layout=self._soundtrack.layout, bit_rate=SOUND_BITS_PER_SECOND
        )

    def _yuv(self, frame: NDArray[np.uint8]) -> av.VideoFrame:
        height, width, _ = self._shape
        if (width, height) != (self.width, self.height):
            edge = ((0, self.height - height), (0, self.width - width), (0, 0))
            frame = np.pad(frame, edge, mode="edge")
        return self._reformatter.reformat(
            av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(frame), format="bgr24"),
            format="yuv420p",
            interpolation=_ROUNDED,
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            threads=1,
        )

    def _mux_video(self, packets: Sequence[Packet[VideoStream]]) -> None:
        if packets and not self._x264_version:
            self._x264_version = core_version(bytes(packets[0]))
        self._container.mux(packets)

    def _add_sound(self, chunks: Iterable[AudioFrame]) -> None:
        if self._audio is None:
            return
        for chunk in chunks:
            self._container.mux(self._audio.encode(chunk))

    def _finish(self) -> None:
        if not self.frames:
            raise ValueError("a video needs at least one frame")
        if self._soundtrack is not None:
            self._add_sound(self._soundtrack.rest(self.frames / self.fps))
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
