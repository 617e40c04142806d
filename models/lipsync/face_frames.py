"""The frames of a photo or video, with the face of the speaker in each."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING

from models.errors import InputRejected, no_face_error
from models.faces import cache
from models.faces.box import Box
from models.faces.tracking.required_face import RequiredFace
from models.faces.tracking.speaker_selection import (
    CentralFace,
    FaceAtIndex,
    FaceInBox,
    LargestFace,
)
from models.faces.tracking.tracked_frame import FrameCounts, TrackedFrame
from models.faces.tracking.tracker import FaceTracker
from models.lipsync.input import Region
from models.lipsync.output_rate import output_rate
from models.video import frames, probe, still
from models.video.prefetch import prefetch

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping
    from pathlib import Path

    from models.arrays import Frame
    from models.faces.cache import FaceTrackCache
    from models.faces.detection.detector import Detector
    from models.faces.tracking.speaker_selection import FaceSelector
    from models.lipsync.input import Input

_MIN_REGION = 4
"""Pixels of a side of a rectangle in a frame, which may be smaller than the source."""
_SMOOTHING = 0.5
"""Smoothing of the boxes (see `FaceTracker`) if the request asks for it."""


@dataclass(frozen=True)
class _Source:
    """The upright photo or video as it was sent: in its pixels the request gives rectangles."""

    width: int
    height: int
    scale: float
    """Pixels of a frame per pixel of it."""


class FaceFrames:
    """The frames of a photo or video at `fps`; `counts` covers the frames returned so far.

    `source_fps` is the video's own rate, None for a photo.
    `cache`, if given, stores the tracked faces of videos.
    """

    def __init__(
        self,
        params: Input,
        inputs: Mapping[str, Path],
        detector: Detector,
        cache: FaceTrackCache | None = None,
    ) -> None:
        self._params = params
        self._detector = detector
        self._cache = cache
        self.field = "image" if "image" in inputs else "video"
        self._path = inputs[self.field]
        self.source_fps = probe.video_rate(self._path) if self.field == "video" else None
        self.fps = output_rate(params, self.source_fps)
        self.counts = FrameCounts()
        self._source: _Source | None = None

    def tracked(self, count: int) -> Generator[TrackedFrame]:
        """Exactly `count` frames in order. Raises `InputRejected` if there is no face."""
        for tracked in self._photo(count) if self.field == "image" else self._video(count):
            self.counts.add(tracked)
            if tracked.box is None and self._params.missing_faces == "fail":
                raise no_face_error(self.field)
            yield tracked

    def _photo(self, count: int) -> Iterator[TrackedFrame]:
        decoded = still.read_photo(self._path)
        photo = still.downscale(decoded.image, self._params.max_side)
        scale = max(photo.shape) / max(decoded.width, decoded.height)
        self._source = _Source(decoded.width, decoded.height, scale)
        if self._params.region is not None:
            (tracked,) = self._in_region([photo], self._params.region)
        else:
            (tracked,) = self._tracker().track([photo])
        if tracked.box is None:
            raise no_face_error(self.field)
        return repeat(tracked, count)

    def _video(self, count: int) -> Iterator[TrackedFrame]:
        params = self._params
        face = RequiredFace(self.field)
        images = frames.looped(
            self._path,
            count,
            loop=frames.Loop(params.loop),
            fps=self.fps,
            max_side=params.max_side,
            on_end=face.end_pass,
        )
        with closing(prefetch(images)) as decoded:
            if params.region is not None:
                yield from self._in_region(decoded, params.region)
            else:
                yield from face.check(self._track(decoded, count))

    def _track(self, images: Iterable[Frame], count: int) -> Iterator[TrackedFrame]:
        tracker = self._tracker()
        if self._cache is None:
            return tracker.track(images)
        params = self._params
        key = cache.cache_key(self._path, tracker.fingerprint, params.loop, params.max_side)
        return self._cache.track(images, tracker, key, count=count)

    def _tracker(self) -> FaceTracker:
        params = self._params
        return FaceTracker(
            self._detector,
            self._selector(),
            fps=self.fps,
            smoothing=_SMOOTHING if params.smoothing else 0.0,
            search_every=params.search_every,
        )

    def _in_region(self, images: Iterable[Frame], region: Region) -> Iterator[TrackedFrame]:
        box = self._box(region, "region")
        for image in images:
            yield TrackedFrame(image, box)

    def _box(self, region: Region, field: str) -> Box:
        """A rectangle in pixels of the source as a box in pixels of the frames, which may be
        smaller.
        """
        source = self._source or self._clip()
        if region.right > source.width or region.bottom > source.height:
            raise InputRejected(
                "invalid_input",
                f"The rectangle extends beyond the frame, which is {source.width} x "
                f"{source.height} pixels.",
                field=field,
            )
        box = Box(region.left, region.top, region.right - region.left, region.bottom - region.top)
        scaled = box.scaled(source.scale)
        if min(scaled.w, scaled.h) < _MIN_REGION:
            raise InputRejected(
                "invalid_input",
                f"The rectangle has less than {_MIN_REGION} pixels in the result, whose longest "
                f"side is {self._params.max_side}. Use a larger one, or a larger `max_side`.",
                field=field,
            )
        return scaled

    def _clip(self) -> _Source:
        video = probe.probe(self._path).video
        if video is None:
            raise InputRejected(
                "media_unreadable",
                "The file has no video stream. Use a video, or send a photo as `image`.",
            )
        scale = min(1.0, self._params.max_side / max(video.width, video.height))
        return _Source(video.width, video.height, scale)

    def _selector(self) -> FaceSelector:
        match self._params.face:
            case int(number):
                return FaceAtIndex(number)
            case Region() as region:
                return FaceInBox(self._box(region, "face"))
            case "central":
                return CentralFace()
        return LargestFace()
