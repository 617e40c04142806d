"""Decode VP8 and VP9 with alpha, which WebM keeps as a second stream beside the first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
from av.codec.context import CodecContext
from av.error import FFmpegError
from av.packet import Packet

from models.video import source

if TYPE_CHECKING:
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

_PAYLOAD: Final = "matroska_block_additional"
_ALPHA_ID: Final = (1).to_bytes(8, "big")
"""Begins the payload that is alpha; other numbers are something else."""


def has_alpha(stream: VideoStream) -> bool:
    """Whether the file says that the stream has alpha in a second one."""
    return stream.codec_context.name in {"vp8", "vp9"} and stream.metadata.get("alpha_mode") == "1"


class VpxAlphaDecoder:
    """Decodes both streams with FFmpeg's own decoders, and joins their frames as `yuva420p`.

    libvpx would do it alone, but it makes a frame before anyone can refuse its size.
    """

    def __init__(self, stream: VideoStream) -> None:
        self._colors = stream.codec_context
        alpha = CodecContext.create(stream.codec_context.name, "r")
        self._alpha = cast("VideoCodecContext", alpha)
        source.limit_decoder(self._alpha)

    def decode(self, packet: Packet[Any]) -> list[VideoFrame]:
        """The frames of a packet. Without alpha of the same size, a frame stays as it is."""
        frames = self._colors.decode(packet)
        alphas = self._alphas(packet)
        if len(frames) != 1 or len(alphas) != 1:
            return frames
        return [_joined(frames[0], alphas[0])]

    def _alphas(self, packet: Packet[Any]) -> list[VideoFrame]:
        if not packet.has_sidedata(_PAYLOAD):
            return []
        payload = bytes(packet.get_sidedata(_PAYLOAD))
        if not payload.startswith(_ALPHA_ID):
            return []
        try:
            alphas = self._alpha.decode(Packet(payload.removeprefix(_ALPHA_ID)))
        except FFmpegError:
            return []
        return alphas


def _joined(frame: VideoFrame, alpha: VideoFrame) -> VideoFrame:
    if (alpha.width, alpha.height, alpha.format.name) != (frame.width, frame.height, "yuv420p"):
        return frame
    joined = frame.reformat(format="yuva420p", threads=1)
    opacity = _rows(joined.planes[3])
    opacity[: alpha.height, : alpha.width] = _rows(alpha.planes[0])[: alpha.height, : alpha.width]
    return joined


def _rows(plane: Any) -> NDArray[np.uint8]:
    """The memory of a plane of 8 bits; writing to it changes the frame."""
    return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
