"""The formats that a clip with alpha is written in, and one way to write each of them."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, Self

from models.video.encoding.png_zip import PngZipWriter
from models.video.encoding.timed_writer import TimedWriter
from models.video.encoding.video_encodings import PRORES_4444, VP9_ALPHA, mp4

if TYPE_CHECKING:
    from collections.abc import Mapping
    from fractions import Fraction
    from pathlib import Path
    from types import TracebackType

    import numpy as np
    from numpy.typing import NDArray

    from models.spec import RunResult
    from models.video.encoding.video_encodings import VideoEncoding


class ClipFormat(StrEnum):
    """The file formats of a clip whose background may be transparent."""

    WEBM = "webm"  #: VP9 with alpha and Opus: plays in Chrome, Firefox and Edge
    MOV = "mov"  #: ProRes 4444 with 16-bit alpha and PCM: for editing programs
    MP4 = "mp4"  #: H.264 and AAC without alpha, composited on a color
    PNG_ZIP = "png_zip"  #: a ZIP with a PNG for each frame, their times, and the sound as WAV

    @property
    def suffix(self) -> str:
        """The end of a file's name, with its dot."""
        return ".zip" if self is ClipFormat.PNG_ZIP else f".{self}"

    @property
    def content_type(self) -> str:
        """The media type for HTTP."""
        return _CONTENT_TYPES[self]


_CONTENT_TYPES = {
    ClipFormat.WEBM: "video/webm",
    ClipFormat.MOV: "video/quicktime",
    ClipFormat.MP4: "video/mp4",
    ClipFormat.PNG_ZIP: "application/zip",
}


class ClipWriter(Protocol):
    """Writes a clip frame by frame, each with its own time, so a variable rate stays variable.

    It is a context manager: the file is complete after `with`, and there is none after an
    exception. Sound and picture start together at 0; the sound ends with the last frame at the
    latest and is encoded along with the frames. Memory does not grow with the length of the clip,
    but for the directory of a ZIP: below 1 kB a frame.
    """

    width: int
    """Pixels of the file: WebM and MP4 repeat the last column of an odd width."""
    height: int

    @property
    def frames(self) -> int:
        """Frames written so far."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def write(self, frame: NDArray[np.uint8], begin: Fraction, duration: Fraction) -> None:
        """Add a frame `(height, width, 4)` of RGBA with straight alpha, or of 3 channels of RGB.

        Times are seconds, `begin` later than that of the frame before. They are stored to
        1/120,000 s, in which all usual frame rates are exact; in WebM to 1 ms.
        """
        ...

    def result(self, notes: Mapping[str, Any] | None = None) -> RunResult:
        """The properties of the file, once it is closed."""
        ...


def clip_writer(  # noqa: PLR0913 - the properties of a clip, each with its name
    format: ClipFormat,
    path: Path,
    *,
    width: int,
    height: int,
    sound: Path | None = None,
    color: tuple[int, int, int] = (255, 255, 255),
    metadata: Mapping[str, str] | None = None,
) -> ClipWriter:
    """The writer for a format. `sound` is any file with a voice, `color` the RGB under an MP4.

    `metadata` are tags of the container; a ZIP holds none.
    """
    if format is ClipFormat.PNG_ZIP:
        return PngZipWriter(path, width=width, height=height, sound=sound)
    return TimedWriter(
        path,
        _encoding(format),
        width=width,
        height=height,
        sound=sound,
        color=color,
        metadata=metadata,
    )


def _encoding(format: ClipFormat) -> VideoEncoding:
    return {ClipFormat.WEBM: VP9_ALPHA, ClipFormat.MOV: PRORES_4444}.get(format) or mp4()
