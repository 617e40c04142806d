"""Generation in chunks of frames that belong together, for networks that look at several at once.

A chunk has consecutive frames of one scene with a face in each. Neighboring chunks overlap, and in
the overlap one fades into the other, so that no seam is seen.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from models.output_checks import MouthWatch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from models.arrays import Frame
    from models.lipsync.frame_task import FrameTask
    from models.lipsync.network import LipSyncNetwork

FADE_FRAMES: Final = 4
"""Frames over which the generated face appears and disappears at a gap without a face."""


@dataclass(frozen=True)
class Chunking:
    """How many frames a network takes at a time, and how many of them neighbors share."""

    size: int
    overlap: int


@dataclass
class ChunkedGeneration:
    """Generates the faces of a run; `seams` and `chunks` count what it did so far.

    It holds the frames of one chunk and the faces of another: memory does not grow with length.
    """

    network: LipSyncNetwork
    chunking: Chunking
    chunks: int = 0
    seams: int = 0
    _watch: MouthWatch = field(default_factory=MouthWatch)

    def __call__(self, tasks: Iterable[FrameTask]) -> Iterator[tuple[FrameTask, Frame | None]]:
        """Each task in order with its face; None for one without an area."""
        run, after_gap = _Run(self), False
        for task in tasks:
            if task.area is None:
                yield from run.finish(fade_out=task.opacity > 0)
                yield task, None
                run, after_gap = _Run(self), task.opacity > 0
                continue
            if task.cut:
                yield from run.finish(fade_out=False)
                run, after_gap = _Run(self), False
            yield from run.add(task, fade_in=after_gap)
        yield from run.finish(fade_out=False)
        self._watch.finish()

    def generate(self, pairs: Sequence[tuple[Any, Any]]) -> list[Frame]:
        """The generated faces of one chunk of faces with their audio features."""
        pictures, sounds = [face for face, _ in pairs], [features for _, features in pairs]
        faces = list(self.network.generate(pictures, sounds))
        self._watch.look_at(pictures, sounds, faces)
        self.chunks += 1
        return faces


class _Run:
    """Consecutive frames of one scene with a face in each."""

    def __init__(self, generation: ChunkedGeneration) -> None:
        self._generation = generation
        self._tasks: list[FrameTask] = []
        """Not yet finished."""
        self._earlier: list[tuple[Any, Any]] = []
        """Faces and sounds just before them: the last chunk is filled up with these."""
        self._tail: list[Frame] = []
        """Faces of the first tasks by the chunk before."""
        self._count = 0

    def add(self, task: FrameTask, *, fade_in: bool) -> Iterator[tuple[FrameTask, Frame]]:
        """Take a frame; yield those that are finished with it."""
        if fade_in and self._count < FADE_FRAMES:
            task = _faded(task, self._count + 1)
        self._count += 1
        self._tasks.append(task)
        chunking = self._generation.chunking
        if len(self._tasks) == chunking.size:
            faces = self._generate_tasks()
            done = chunking.size - chunking.overlap
            self._tail = faces[done:]
            yield from self._release(faces[:done])

    def finish(self, *, fade_out: bool) -> Iterator[tuple[FrameTask, Frame]]:
        """The rest of the frames."""
        new = len(self._tasks) - len(self._tail)
        faces = self._generate_tasks() if new else self._tail
        if fade_out:
            ends = self._tasks[-FADE_FRAMES:]
            faded = [_faded(task, len(ends) - place) for place, task in enumerate(ends)]
            self._tasks[-FADE_FRAMES:] = faded
        yield from self._release(faces)

    def _generate_tasks(self) -> list[Frame]:
        """Faces of all unfinished tasks, with the chunk before faded into this one."""
        pairs = [(task.face, task.features) for task in self._tasks]
        filling = self._filling(len(pairs))
        faces = self._generation.generate([*filling, *pairs])[len(filling) :]
        for place, before in enumerate(self._tail):
            self._generation.seams += place == 0
            share = (place + 1) / (len(self._tail) + 1)
            faces[place] = _mixed(before, faces[place], share)
        return faces

    def _filling(self, count: int) -> list[tuple[Any, Any]]:
        """Earlier faces that make `count` faces a whole chunk; none if chunks do not overlap."""
        missing = self._generation.chunking.size - count
        if not missing or not self._generation.chunking.overlap:
            return []
        return self._earlier[-missing:]

    def _release(self, faces: Sequence[Frame]) -> Iterator[tuple[FrameTask, Frame]]:
        done, self._tasks = self._tasks[: len(faces)], self._tasks[len(faces) :]
        size = self._generation.chunking.size
        self._earlier = [*self._earlier, *((task.face, task.features) for task in done)][-size:]
        yield from zip(done, faces, strict=True)


def _faded(task: FrameTask, frames: int) -> FrameTask:
    """The task with a face that is so many frames away from a gap."""
    return replace(task, opacity=task.opacity * min(1.0, frames / (FADE_FRAMES + 1)))


def _mixed(old: Frame, new: Frame, share: float) -> Frame:
    mixed = old + np.float32(share) * (new.astype(np.float32) - old)
    return np.asarray(mixed + np.float32(0.5), np.uint8)
