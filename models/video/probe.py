"""Inspect a media file by decoding and measuring it, without trusting its header."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from av.error import FFmpegError

from models.errors import InputRejected, unreadable_error
from models.video import (
    frame_converter,
    orientation,
    signature,
    source,
)
from models.video.timing import completeness, frame_rate
from runtime.media.formats import MIN_SIDE

if TYPE_CHECKING:
    from pathlib import Path

    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream


_MAX_UNDECODED = 250
"""Packets without a frame after which a stream counts as undecodable."""


@dataclass(frozen=True)
class VideoStream:
    """A video stream. Width and height are as displayed: upright and with square pixels."""

    width: int
    height: int
    fps: Fraction
    """The rate at which `frames.frames` reads it."""
    duration_seconds: float
    rotation: int
    """Clockwise rotation in degrees from the stored frame to the upright one."""
    frames: int | None
    """Number of stored frames; at a variable rate, reading gives another number."""


@dataclass(frozen=True)
class AudioStream:
    """An audio stream. `sound.duration` gives its exact length."""

    rate: int
    channels: int
    duration_seconds: float


@dataclass(frozen=True)
class Probe:
    """The first video and the first audio stream; the cover image of an audio file does
    not count.
    """

    video: VideoStream | None
    audio: AudioStream | None
    is_still: bool
    """Whether it is an image, which is not decoded here: it has neither stream."""
    format: str


IMAGE: Final = Probe(None, None, True, "image")
"""What is known of an image before `still.read_still` decodes it."""


def probe(path: Path) -> Probe:
    """Inspect a file: its bytes select the demuxer, and its packets give the durations.

    A stream counts if its first frame can be decoded. Reads the whole file once without decoding
    it. Raises `InputRejected`: `media_unreadable`, also for a file that is cut off, or `too_large`
    for frames above `source.MAX_PIXELS`.
    """
    kind = signature.of_file(path)
    if kind is not None and kind.demuxer is None:
        return IMAGE
    completeness.require_end(path)
    with source.opened(path) as container:
        video, audio = _measure(container)
        if container.format.name == "gif" and video.packets == 1:
            return IMAGE
        found = Probe(_video(video), _audio(audio), False, container.format.name)
    if found.video is None and found.audio is None:
        raise unreadable_error()
    return found


def _measure(container: InputContainer) -> tuple[_StreamMeasure, _StreamMeasure]:
    video = _StreamMeasure(source.video_stream(container))
    audio = _StreamMeasure(source.audio_stream(container))
    measures = {m.stream.index: m for m in (video, audio) if m.stream is not None}
    streams = [container.streams[index] for index in measures]
    for packet in source.packets(container, *streams):
        measures[packet.stream_index].add(packet)
    for measure in (video, audio):
        if measure.stream is not None:
            completeness.require_length(container, measure.stream, max(video.end, audio.end))
    return video, audio


class _StreamMeasure:
    """First frame, time stamps, duration and number of packets of one stream."""

    def __init__(self, stream: Stream | None) -> None:
        self.stream = stream
        self.first: Any = None
        self.packets = 0
        self.times = array("q")
        self._begin: Fraction | None = None
        self._last = self.end = Fraction(0)

    @property
    def seconds(self) -> Fraction:
        return max(self.end - max(self._begin or Fraction(0), Fraction(0)), Fraction(0))

    def add(self, packet: Packet[Any]) -> None:
        if self.first is None and self.packets < _MAX_UNDECODED:
            self.first = _first_frame(packet)
        if not packet.size:
            return
        self.packets += 1
        if packet.pts is not None:
            self.times.append(packet.pts)
        begin = self.end if packet.pts is None else packet.pts * packet.time_base
        self._begin = begin if self._begin is None else min(begin, self._begin)
        if begin >= self._last:
            self._last, self.end = begin, begin + (packet.duration or 0) * packet.time_base


def _first_frame(packet: Packet[Any]) -> Any:
    try:
        return next(iter(packet.decode()), None)
    except FFmpegError:
        return None


def _video(measure: _StreamMeasure) -> VideoStream | None:
    if measure.first is None:
        return None
    stream: Any = measure.stream
    width, height = frame_converter.display_size(stream, measure.first)
    return VideoStream(
        width=width,
        height=height,
        fps=frame_rate.measured(frame_rate.declared(stream), measure.times, stream.time_base),
        duration_seconds=float(measure.seconds),
        rotation=orientation.degrees(orientation.of_frame(measure.first)),
        frames=measure.packets,
    )


def _audio(measure: _StreamMeasure) -> AudioStream | None:
    if measure.first is None:
        return None
    return AudioStream(
        rate=measure.first.sample_rate,
        channels=measure.first.layout.nb_channels,
        duration_seconds=float(measure.seconds),
    )


def video_rate(path: Path) -> Fraction:
    """The frame rate of a video that is usable as input. Raises `InputRejected`."""
    found = probe(path)
    if found.video is None:
        raise InputRejected(
            "media_unreadable",
            "The file has no video stream. Use a video, or send a photo as `image`.",
        )
    if min(found.video.width, found.video.height) < MIN_SIDE:
        raise InputRejected(
            "too_small",
            f"The video is too small. Use one with no side below {MIN_SIDE} pixels.",
        )
    return found.video.fps
