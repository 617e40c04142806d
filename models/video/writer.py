"""Write an MP4 frame by frame, with its sound: H.264 and AAC, encoded once."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from models.marking.label import VisibleLabel
from models.settings import EncoderSettings
from models.spec import RunResult
from models.video.encoding.encoded_file import EncodedFile
from models.video.encoding.video_encodings import h264
from models.video.encoding.x264 import X264

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from av.video.stream import VideoStream
    from numpy.typing import NDArray

    from models.settings import X264Simd


class Writer(EncodedFile):
    """An MP4 that can be played while it downloads: H.264 High, yuv420p in BT.709, AAC up to
    stereo.

    Frames are `(height, width, 3)` BGR of uint8. An odd side grows by one, with its last row or
    column repeated: the attributes `width` and `height` are those of the file. Sound and picture
    start together at 0. The sound is as long as its source but ends with the last frame at the
    latest: ceil(seconds * fps) frames keep all of it. It is encoded along with the frames, so
    memory does not grow with the length. After an exception inside `with` there is no file.

    Equal frames, sound and metadata give equal files: the same on any number of cores, at any time.
    `simd` None: as `KINOMILL_X264_SIMD` says. `ai_label` draws the words `AI-generated`; so does
    `KINOMILL_AI_LABEL`.
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
        ai_label: bool = False,
    ) -> None:
        settings = EncoderSettings()
        encoding = h264(X264(crf, preset, simd or settings.x264_simd))
        super().__init__(path, encoding, shape=(height, width), sound=sound, metadata=metadata)
        self.fps = Fraction(fps)
        self.frames = 0
        self._label = VisibleLabel(width, height) if ai_label or settings.ai_label else None

    @property
    def _end(self) -> Fraction:
        return self.frames / self.fps

    def write(self, frame: NDArray[np.uint8]) -> None:
        """Add a frame and the sound up to its end."""
        shape = (*self._shape, 3)
        if frame.shape != shape or frame.dtype != np.uint8:
            raise ValueError(f"a frame must be uint8 of {shape}, not {frame.shape}")
        if self._label is not None:
            frame = self._label.on(frame)
        encoded = self._yuv(frame, "bgr24")
        encoded.pts = self.frames
        encoded.time_base = 1 / self.fps
        self._mux_video(self._video.encode(encoded))
        self.frames += 1
        self._add_sound()

    def result(self, notes: Mapping[str, Any] | None = None) -> RunResult:
        """The properties of the file, once it is closed."""
        return RunResult(
            path=self.path,
            width=self.width,
            height=self.height,
            fps=self.fps,
            frames=self.frames,
            duration_seconds=float(self._end),
            has_audio=self._audio is not None,
            encoder=self._describe(),
            notes=dict(notes or {}),
        )

    def _video_stream(self) -> VideoStream:
        return self._add_video(1 / self.fps, self.fps)
