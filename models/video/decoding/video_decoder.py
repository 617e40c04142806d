"""Decode the packets of a video stream: every frame, with its alpha, progressive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from av.error import FFmpegError

from models.errors import unreadable_error
from models.video import source
from models.video.decoding.deinterlace import deinterlaced
from models.video.decoding.vpx_alpha import VpxAlphaDecoder, has_alpha

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream


def required_video(container: InputContainer) -> VideoStream:
    """The video stream of a file; `InputRejected` if it has none."""
    stream = source.video_stream(container)
    if stream is None:
        raise unreadable_error()
    return stream


def decoded(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """Every frame that can be decoded, deinterlaced if flagged; damaged packets are skipped."""
    return deinterlaced(_stored(container, stream))


def _stored(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    decoder = VpxAlphaDecoder(stream) if has_alpha(stream) else stream.codec_context
    for packet in source.packets(container, stream):
        try:
            frames: list[Any] = decoder.decode(packet)
        except FFmpegError:
            continue
        yield from frames
