"""The stream: decode, follow the face, batch, network, blend, encode, all at the same time.

Each stage is a thread that works a few steps ahead of the next, so that memory does not grow with
the length, and the slowest stage alone sets the speed.
"""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from models.lipsync.blend import Feather, feathered, pasted
from models.video.prefetch import ahead

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from models.faces.tracking.tracked_frame import TrackedFrame
    from models.lipsync.network import Area, Frame, Lips

_AHEAD = 2
"""Batches that lie ready for the next stage."""
_LONGEST = 4
"""A batch is closed after so many times its faces in frames, so that faceless ones do not wait."""


@dataclass(frozen=True)
class Take:
    """A frame on its way: `area` and `face` are None where it is passed through."""

    frame: Frame
    heard: Any
    strength: float
    area: Area | None = None
    face: Any = None


@dataclass(frozen=True)
class Look:
    """How a made face is laid over its frame: softly, `hard`, or as the authors do."""

    hard: bool = False
    sharpen: float = 0.0
    upstream: bool = False

    def __call__(self, take: Take, face: Frame | None, lips: Lips) -> Frame:
        """The finished frame."""
        if take.area is None or face is None:
            return take.frame
        if self.upstream:
            return lips.paste(take.frame, take.area, face)
        if self.hard:
            return pasted(take.frame, take.area, face, take.strength)
        mask = lips.mask(take.frame, take.area)
        return feathered(take.frame, take.area, face, Feather(take.strength, self.sharpen, mask))


@dataclass(frozen=True)
class Engine:
    """One network and the way in which its faces are laid over the frames."""

    lips: Lips
    look: Look

    def frames(
        self, seen: Iterable[TrackedFrame], heard: Iterable[Any], strengths: Iterable[float]
    ) -> Generator[Frame]:
        """The finished frames in order. Close it to end its threads before its end."""
        with ExitStack() as stages:

            def stage(items: Iterator[Any]) -> Iterator[Any]:
                return stages.enter_context(closing(ahead(items, steps=_AHEAD)))

            batches = stage(self._batches(zip(seen, heard, strengths, strict=False)))
            spoken = stage(self._spoken(batches))
            for finished in stage(self._finished(spoken)):
                yield from finished

    def _batches(self, paired: Iterable[tuple[TrackedFrame, Any, float]]) -> Iterator[list[Take]]:
        takes: list[Take] = []
        faces = 0
        prepare = self._preparer()
        for seen, heard, strength in paired:
            take = prepare(seen, heard, strength)
            takes.append(take)
            faces += take.area is not None
            if faces == self.lips.batch or len(takes) == _LONGEST * self.lips.batch:
                yield takes
                takes, faces = [], 0
        if takes:
            yield takes

    def _preparer(self) -> Callable[[TrackedFrame, Any, float], Take]:
        """Cut faces out; a photo's face only once."""
        last: tuple[TrackedFrame, Area, Any] | None = None

        def prepare(seen: TrackedFrame, heard: Any, strength: float) -> Take:
            nonlocal last
            if seen.box is None or strength == 0:
                return Take(seen.frame, heard, strength)
            if last is None or last[0] is not seen:
                area = self.lips.area(seen.box, seen.frame)
                last = seen, area, self.lips.see(seen.frame, area)
            return Take(seen.frame, heard, strength, last[1], last[2])

        return prepare

    def _spoken(self, batches: Iterable[list[Take]]) -> Iterator[list[tuple[Take, Frame | None]]]:
        for takes in batches:
            faced = [take for take in takes if take.area is not None]
            made = iter(
                self.lips.speak([take.face for take in faced], [take.heard for take in faced])
                if faced
                else ()
            )
            yield [(take, next(made) if take.area is not None else None) for take in takes]

    def _finished(self, spoken: Iterable[list[tuple[Take, Frame | None]]]) -> Iterator[list[Frame]]:
        for batch in spoken:
            yield [self.look(take, face, self.lips) for take, face in batch]
