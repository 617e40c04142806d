"""The pictures of a job, each with the face that is to speak in it."""

from __future__ import annotations

from contextlib import closing
from fractions import Fraction
from itertools import repeat
from typing import TYPE_CHECKING

from models.errors import InputRejected, no_face
from models.faces.box import Box
from models.faces.choice import Central, Index, Largest
from models.faces.follow import Follower
from models.faces.seen import Counts, Seen
from models.video import frames, probe, still
from models.video.ahead import ahead

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from models.faces.choice import Choice
    from models.faces.detector import Detector, Frame
    from models.lipsync.input import Input, Region

_CALM = 0.5
"""How much boxes are smoothed, where the caller wants it at all."""


class Scene:
    """A photo or a clip; `counts` tells what was seen in the frames that came out so far."""

    def __init__(self, params: Input, inputs: Mapping[str, Path], detector: Detector) -> None:
        self._params = params
        self._detector = detector
        self.field = "image" if "image" in inputs else "video"
        self._path = inputs[self.field]
        self.fps = Fraction(params.fps) if self.field == "image" else probe.clip_rate(self._path)
        self.counts = Counts()

    def seen(self, count: int) -> Iterator[Seen]:
        """Exactly `count` frames in order. Raises `InputRejected` where nobody can speak."""
        for seen in self._photo(count) if self.field == "image" else self._clip(count):
            self.counts.add(seen)
            if seen.box is None and self._params.missing_faces == "fail":
                raise no_face(self.field)
            yield seen
        if self.counts.faceless == self.counts.frames:
            raise no_face(self.field)

    def _photo(self, count: int) -> Iterator[Seen]:
        photo = still.shrunk(still.read_still(self._path), self._params.max_side)
        (seen,) = self._placed([photo])
        if seen.box is None:
            raise no_face(self.field)
        return repeat(seen, count)

    def _clip(self, count: int) -> Iterator[Seen]:
        params = self._params
        pictures = frames.looped(
            self._path, count, loop=frames.Loop(params.loop), max_side=params.max_side
        )
        with closing(ahead(pictures)) as decoded:
            yield from self._placed(decoded)

    def _placed(self, pictures: Iterable[Frame]) -> Iterator[Seen]:
        if self._params.region is not None:
            return self._in_region(pictures, self._params.region)
        calm = _CALM if self._params.smoothing else 0.0
        follower = Follower(self._detector, self._choice(), fps=self.fps, smoothing=calm)
        return follower.follow(pictures)

    def _in_region(self, pictures: Iterable[Frame], region: Region) -> Iterator[Seen]:
        width, height = self._size()
        if region.right > width or region.bottom > height:
            raise InputRejected(
                "invalid_input",
                f"The region leaves the picture, which is {width} x {height}.",
                field="region",
            )
        for picture in pictures:
            across, down = picture.shape[1] / width, picture.shape[0] / height
            box = Box(
                region.left * across,
                region.top * down,
                (region.right - region.left) * across,
                (region.bottom - region.top) * down,
            )
            yield Seen(picture, box)

    def _size(self) -> tuple[int, int]:
        if self.field == "image":
            return still.stated_size(self._path)
        video = probe.probe(self._path).video
        if video is None:
            raise InputRejected("media_unreadable", "The file holds no moving picture.")
        return video.width, video.height

    def _choice(self) -> Choice:
        match self._params.face:
            case int(number):
                return Index(number)
            case "central":
                return Central()
        return Largest()
