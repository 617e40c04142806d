"""What a media file holds, measured and not believed."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from av.error import FFmpegError

from models.errors import InputRejected
from models.video import constant_rate_reader, orientation, picture, signature, source, still

if TYPE_CHECKING:
    from pathlib import Path

    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream


_PATIENCE = 250
"""Packets without a frame after which a stream counts as undecodable."""


@dataclass(frozen=True)
class VideoStream:
    """A moving picture. Width and height are as shown: upright and with square pixels."""

    width: int
    height: int
    fps: Fraction
    """The rate at which `frames.frames` reads it; 0 for a still."""
    duration_seconds: float
    rotation: int
    """Degrees clockwise from the stored picture to the upright one."""
    frames: int | None
    """How many frames are stored; a variable rate shows another count at constant rate."""


@dataclass(frozen=True)
class AudioStream:
    """A sound. `sound.duration` gives its length to the sample."""

    rate: int
    channels: int
    duration_seconds: float


@dataclass(frozen=True)
class Probe:
    """The first moving picture and the first sound of a file; the cover of a song is neither."""

    video: VideoStream | None
    audio: AudioStream | None
    is_still: bool
    format: str


def probe(path: Path) -> Probe:
    """Look into a file: its bytes choose the reader, and its packets give the lengths.

    A stream counts if its first frame decodes. A picture is judged by its header alone. Anything
    else is refused with `media_unreadable`, and frames above `source.MAX_PIXELS` with
    `too_large`. It reads the whole file once, without decoding it.
    """
    with path.open("rb") as file:
        head = file.read(signature.HEAD_BYTES)
    if signature.demuxer(path) is None and signature.still(head):
        return _still(path)
    with source.opened(path) as container:
        pictures, sounds = _measured(container)
        if container.format.name == "gif" and pictures.packets == 1:
            return _still(path)
        found = Probe(_video(pictures), _audio(sounds), False, container.format.name)
    if found.video is None and found.audio is None:
        raise source.unreadable()
    return found


def _measured(container: InputContainer) -> tuple[_Measure, _Measure]:
    pictures = _Measure(source.video_stream(container))
    sounds = _Measure(source.audio_stream(container))
    measures = {m.stream.index: m for m in (pictures, sounds) if m.stream is not None}
    streams = [container.streams[index] for index in measures]
    for packet in source.packets(container, *streams):
        measures[packet.stream_index].add(packet)
    return pictures, sounds


class _Measure:
    """What the packets of one stream tell: its first frame, its extent, its count."""

    def __init__(self, stream: Stream | None) -> None:
        self.stream = stream
        self.first: Any = None
        self.packets = 0
        self._begin: Fraction | None = None
        self._last = self._end = Fraction(0)

    @property
    def seconds(self) -> Fraction:
        return max(self._end - max(self._begin or Fraction(0), Fraction(0)), Fraction(0))

    def add(self, packet: Packet[Any]) -> None:
        if self.first is None and self.packets < _PATIENCE:
            self.first = _first_frame(packet)
        if not packet.size:
            return
        self.packets += 1
        begin = self._end if packet.pts is None else packet.pts * packet.time_base
        self._begin = begin if self._begin is None else min(begin, self._begin)
        if begin >= self._last:
            self._last, self._end = begin, begin + (packet.duration or 0) * packet.time_base


def _first_frame(packet: Packet[Any]) -> Any:
    try:
        return next(iter(packet.decode()), None)
    except FFmpegError:
        return None


def _video(measure: _Measure) -> VideoStream | None:
    if measure.first is None:
        return None
    stream: Any = measure.stream
    width, height = picture.display_size(stream, measure.first)
    return VideoStream(
        width=width,
        height=height,
        fps=constant_rate_reader.frame_rate(stream),
        duration_seconds=float(measure.seconds),
        rotation=orientation.degrees(orientation.of_frame(measure.first)),
        frames=measure.packets,
    )


def _audio(measure: _Measure) -> AudioStream | None:
    if measure.first is None:
        return None
    return AudioStream(
        rate=measure.first.sample_rate,
        channels=measure.first.layout.nb_channels,
        duration_seconds=float(measure.seconds),
    )


def _still(path: Path) -> Probe:
    width, height = still.stated_size(path)
    return Probe(VideoStream(width, height, Fraction(0), 0.0, 0, 1), None, True, "image")


def clip_rate(clip: Path) -> Fraction:
    """The rate of a clip that is fit to be worked on. Raises `InputRejected`."""
    found = probe(clip)
    if found.video is None or found.is_still:
        raise InputRejected(
            "media_unreadable", "The file holds no moving picture: send a photo as `image`."
        )
    if min(found.video.width, found.video.height) < still.MIN_SIDE:
        raise InputRejected("too_small", f"Send a clip with no side below {still.MIN_SIDE} pixels.")
    return found.video.fps
