"""The pictures of a job, each with the face that is to speak in it."""

from __future__ import annotations

from contextlib import closing
from fractions import Fraction
from itertools import repeat
from typing import TYPE_CHECKING

from models.errors import InputRejected, no_face_error
from models.faces import cache
from models.faces.box import Box
from models.faces.tracking.speaker_selection import (
    CentralFace,
    FaceAtIndex,
    FaceInBox,
    LargestFace,
)
from models.faces.tracking.tracked_frame import FrameCounts, TrackedFrame
from models.faces.tracking.tracker import FaceTracker
from models.lipsync.input import Region
from models.video import frames, probe, still
from models.video.prefetch import ahead

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping
    from pathlib import Path

    from models.arrays import Frame
    from models.faces.cache import FaceTrackCache
    from models.faces.detection.detector import Detector
    from models.faces.tracking.speaker_selection import FaceSelector
    from models.lipsync.input import Input

_CALM = 0.5
"""How much boxes are smoothed, where the caller wants it at all."""


class Scene:
    """A photo or a clip; `counts` tells what was seen in the frames that came out so far.

    `cache`, if there is one, remembers the faces of a clip.
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
        self.fps = Fraction(params.fps) if self.field == "image" else probe.clip_rate(self._path)
        self.counts = FrameCounts()

    def seen(self, count: int) -> Generator[TrackedFrame]:
        """Exactly `count` frames in order. Raises `InputRejected` where nobody can speak."""
        for seen in self._photo(count) if self.field == "image" else self._clip(count):
            self.counts.add(seen)
            if seen.box is None and self._params.missing_faces == "fail":
                raise no_face_error(self.field)
            yield seen
        if self.counts.without_face == self.counts.frames:
            raise no_face_error(self.field)

    def _photo(self, count: int) -> Iterator[TrackedFrame]:
        photo = still.shrunk(still.read_still(self._path), self._params.max_side)
        if self._params.region is not None:
            (seen,) = self._in_region([photo], self._params.region)
        else:
            (seen,) = self._tracker().track([photo])
        if seen.box is None:
            raise no_face_error(self.field)
        return repeat(seen, count)

    def _clip(self, count: int) -> Iterator[TrackedFrame]:
        params = self._params
        pictures = frames.looped(
            self._path, count, loop=frames.Loop(params.loop), max_side=params.max_side
        )
        with closing(ahead(pictures)) as decoded:
            if params.region is not None:
                yield from self._in_region(decoded, params.region)
            else:
                yield from self._followed(decoded, count)

    def _followed(self, pictures: Iterable[Frame], count: int) -> Iterator[TrackedFrame]:
        tracker = self._tracker()
        if self._cache is None:
            return tracker.track(pictures)
        params = self._params
        key = cache.cache_key(self._path, tracker.fingerprint, params.loop, params.max_side)
        return self._cache.track(pictures, tracker, key, count=count)

    def _tracker(self) -> FaceTracker:
        params = self._params
        return FaceTracker(
            self._detector,
            self._selector(),
            fps=self.fps,
            smoothing=_CALM if params.smoothing else 0.0,
            search_every=params.search_every,
        )

    def _in_region(self, pictures: Iterable[Frame], region: Region) -> Iterator[TrackedFrame]:
        box = self._box(region, "region")
        for picture in pictures:
            yield TrackedFrame(picture, box)

    def _box(self, region: Region, field: str) -> Box:
        """A rectangle of the source in pixels of the frames, which may be smaller."""
        width, height = self._size()
        if region.right > width or region.bottom > height:
            raise InputRejected(
                "invalid_input",
                f"The rectangle leaves the picture, which is {width} x {height}.",
                field=field,
            )
        box = Box(region.left, region.top, region.right - region.left, region.bottom - region.top)
        return box.scaled(min(1.0, self._params.max_side / max(width, height)))

    def _size(self) -> tuple[int, int]:
        if self.field == "image":
            return still.stated_size(self._path)
        video = probe.probe(self._path).video
        if video is None:
            raise InputRejected("media_unreadable", "The file holds no moving picture.")
        return video.width, video.height

    def _selector(self) -> FaceSelector:
        match self._params.face:
            case int(number):
                return FaceAtIndex(number)
            case Region() as region:
                return FaceInBox(self._box(region, "face"))
            case "central":
                return CentralFace()
        return LargestFace()
