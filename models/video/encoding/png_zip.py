"""Write a clip as a ZIP of PNG frames, with their times and the sound."""

from __future__ import annotations

import wave
import zipfile
from array import array
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Self

import cv2
import numpy as np

from models.file_type import ZIP
from models.spec import RunResult
from models.video.encoding.frame_clock import TIME_BASE, FrameClock
from models.video.soundtrack import RATE, Soundtrack

if TYPE_CHECKING:
    from collections.abc import Mapping
    from fractions import Fraction
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray

FRAME_NAME: Final = "frame_{:06d}.png"
"""Numbers begin with 1."""
TIMES_NAME: Final = "frames.ffconcat"
SOUND_NAME: Final = "sound.wav"

_COMPRESSION: Final = 3
"""Level of zlib for PNG, of 9: higher ones take twice as long for a few percent."""


class PngZipWriter:
    """The `ClipWriter` of a ZIP: `frame_000001.png` and so on, RGBA or RGB as they were given.

    `frames.ffconcat` names the frames with their durations, so that `ffmpeg -i frames.ffconcat`
    plays them at their times; without a frame at 0, the first one is held from there. `sound.wav`
    is 16-bit PCM. It is written at the end, from `sound` to the disk and from there into the ZIP.
    """

    def __init__(self, path: Path, *, width: int, height: int, sound: Path | None = None) -> None:
        self.path = path
        self.width = width
        self.height = height
        self._soundtrack = Soundtrack(sound) if sound is not None else None
        self._has_audio = False
        self._clock = FrameClock()
        self._begins: array[int] = array("q")

    @property
    def frames(self) -> int:
        """Frames written so far."""
        return self._clock.frames

    def __enter__(self) -> Self:
        try:
            self._zip = zipfile.ZipFile(self.path, "w", zipfile.ZIP_STORED)
        except BaseException:
            self._close_sound()
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
        """Add a frame, RGBA or RGB."""
        if frame.shape not in {(self.height, self.width, channels) for channels in (3, 4)}:
            raise ValueError(f"a frame must be {self.width} x {self.height}, not {frame.shape}")
        pts, _ = self._clock.add(begin, duration)
        self._begins.append(pts)
        order = cv2.COLOR_RGBA2BGRA if frame.shape[2] == 4 else cv2.COLOR_RGB2BGR
        options = [cv2.IMWRITE_PNG_COMPRESSION, _COMPRESSION]
        _, file = cv2.imencode(".png", cv2.cvtColor(frame, order), options)
        self._add(FRAME_NAME.format(self.frames), file.tobytes())

    def result(self, notes: Mapping[str, Any] | None = None) -> RunResult:
        """The properties of the file, once it is closed. `fps` is the average."""
        return RunResult(
            path=self.path,
            file_type=ZIP,
            width=self.width,
            height=self.height,
            fps=self._clock.rate,
            frames=self.frames,
            duration_seconds=float(self._clock.end),
            has_audio=self._has_audio,
            encoder=f"PNG, OpenCV {cv2.__version__}: compression={_COMPRESSION}",
            notes=dict(notes or {}),
        )

    def _add(self, name: str, content: bytes) -> None:
        self._zip.writestr(zipfile.ZipInfo(name), content)  # with a constant date

    def _finish(self) -> None:
        if not self.frames:
            raise ValueError("a clip needs at least one frame")
        self._add(TIMES_NAME, self._times().encode())
        if self._soundtrack is not None and self._soundtrack.audible():
            self._add_sound(self._soundtrack)
        self._zip.close()
        self._close_sound()

    def _discard(self) -> None:
        self._close_sound()
        with suppress(OSError):  # the disk is full
            self._zip.close()
        self.path.unlink(missing_ok=True)

    def _times(self) -> str:
        ends = [*self._begins[1:], round(self._clock.end / TIME_BASE)]
        lines = ["ffconcat version 1.0"]
        begin = 0
        for number, end in enumerate(ends, 1):
            lines.append(f"file {FRAME_NAME.format(number)}")
            lines.append(f"duration {float((end - begin) * TIME_BASE):.6f}")
            begin = end
        return "\n".join(lines) + "\n"

    def _add_sound(self, soundtrack: Soundtrack) -> None:
        path = self.path.with_name(f"{self.path.name}.{SOUND_NAME}")
        try:
            with wave.open(str(path), "wb") as file:
                file.setnchannels(soundtrack.channels)
                file.setsampwidth(2)
                file.setframerate(RATE)
                for chunk in soundtrack.rest(self._clock.end):
                    samples = np.rint(chunk.to_ndarray().T * 32767).astype("<i2")
                    file.writeframesraw(samples.tobytes())
            info = zipfile.ZipInfo(SOUND_NAME)
            info.file_size = path.stat().st_size
            with path.open("rb") as source, self._zip.open(info, "w") as target:
                while block := source.read(1 << 20):
                    target.write(block)
        finally:
            path.unlink(missing_ok=True)
        self._has_audio = True

    def _close_sound(self) -> None:
        if self._soundtrack is not None:
            self._soundtrack.close()
