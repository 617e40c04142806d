"""Codecs, pixel formats and options of the files that `EncodedFile` writes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import av

from models.file_type import MOV, MP4, WEBM
from models.settings import EncoderSettings
from models.video.encoding.x264 import THREADS, X264

if TYPE_CHECKING:
    from collections.abc import Mapping

    from models.file_type import FileType


@dataclass(frozen=True)
class VideoEncoding:
    """How the frames and the sound of a clip are encoded, and in which container."""

    file_type: FileType
    container: str
    codec: str
    pixels: str
    """Pixel format of FFmpeg, with an alpha plane or without one."""
    sound: str
    options: Mapping[str, str]
    sound_bits_per_second: int | None = None
    container_options: Mapping[str, str] = field(default_factory=dict)
    x264: X264 | None = None
    """The settings that are among the options, if it is the encoder."""

    @property
    def alpha(self) -> bool:
        """Whether the file keeps the alpha of its frames."""
        return self.pixels.startswith("yuva")

    @property
    def step(self) -> int:
        """Width and height are multiples of this: 2 where chroma is subsampled."""
        return 2 if "420" in self.pixels else 1

    def describe(self, core: str, *, has_audio: bool) -> str:
        """Names and settings of the encoders, for the provenance of a file.

        `core` is the version of x264, see `core_version`.
        """
        if not has_audio:
            return self._describe_video(core)
        rate = self.sound_bits_per_second
        sound = f"{self.sound} {rate} bit/s" if rate else self.sound
        return f"{self._describe_video(core)}; {sound}"

    def _describe_video(self, core: str) -> str:
        if self.x264 is not None:
            more = [
                f"{name}={value}"
                for name, value in self.options.items()
                if name not in self.x264.options
            ]
            return " ".join([self.x264.describe(core), *more])
        libavcodec = ".".join(map(str, av.library_versions["libavcodec"]))
        options = " ".join(f"{name}={value}" for name, value in self.options.items())
        return (
            f"{self.codec}, libavcodec {libavcodec}, PyAV {av.__version__}: "
            f"{self.pixels} threads={THREADS} {options}"
        )


VP9_ALPHA: Final = VideoEncoding(
    file_type=WEBM,
    container="webm",
    codec="libvpx-vp9",
    pixels="yuva420p",
    sound="libopus",
    sound_bits_per_second=128_000,
    # Without `auto-alt-ref` 0 the encoder refuses alpha.
    options={"crf": "20", "b": "0", "auto-alt-ref": "0", "row-mt": "1", "cpu-used": "4"},
    container_options={"fflags": "+bitexact"},  # else its track ids are random
)
"""1280 x 720: 13 frames/s on two cores, 5 kB a frame; alpha is off by 14 of 255 at most."""

PRORES_4444: Final = VideoEncoding(
    file_type=MOV,
    container="mov",
    codec="prores_ks",
    pixels="yuva444p10le",
    sound="pcm_s16le",
    options={"profile": "4444", "alpha_bits": "16", "vendor": "apl0"},
)
"""1280 x 720: 17 frames/s on two cores, 487 kB a frame; alpha is off by 1 of 255 at most."""


def h264(x264: X264, **options: str) -> VideoEncoding:
    """H.264 and AAC in an MP4 that can be played while it downloads; `options` on top of x264's."""
    return VideoEncoding(
        file_type=MP4,
        container="mp4",
        codec="libx264",
        pixels="yuv420p",
        sound="aac",
        sound_bits_per_second=160_000,
        options=x264.options | options,
        container_options={"movflags": "+faststart+use_metadata_tags"},
        x264=x264,
    )


def mp4() -> VideoEncoding:
    """H.264 as `models.video.writer` writes it, but at a variable rate.

    Without B-frames: MP4 stores the distances of decoding times, which with them are not the
    durations of the frames shown.
    """
    return h264(X264(18, "veryfast", EncoderSettings().x264_simd), bf="0")
