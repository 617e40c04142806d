"""The pipeline of a lip-sync run: decode, track, batch, generate, composite, encode.

Each stage is a thread that works a few steps ahead of the next, so memory does not grow with the
length of the video and the slowest stage alone sets the speed.
"""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from models.lipsync.blend import FeatherOptions, blend_box, blend_feathered
from models.lipsync.frame_task import FrameTask
from models.output_checks import MouthWatch
from models.video.prefetch import prefetch

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from models.arrays import Frame
    from models.faces.box import Box
    from models.faces.tracking.tracked_frame import TrackedFrame
    from models.lipsync.chunks import ChunkedGeneration
    from models.lipsync.network import LipSyncNetwork

_PREFETCHED_BATCHES = 1
"""Batches that wait between two stages."""
_MAX_BATCH_FRAMES = 4
"""Frames in a batch, as a multiple of its faces; so frames without a face do not wait forever."""


@dataclass(frozen=True)
class Compositing:
    """How generated faces are composited: feathered, as a hard box, or as the authors do it."""

    hard: bool = False
    sharpen: float = 0.0
    upstream: bool = False

    def __call__(self, task: FrameTask, face: Frame | None, network: LipSyncNetwork) -> Frame:
        """The finished frame."""
        if task.area is None or face is None:
            return task.frame
        if self.upstream:
            return network.paste(task.frame, task.area, face)
        if self.hard:
            return blend_box(task.frame, task.area, face, task.opacity)
        mask = network.mask(task.frame, task.area)
        options = FeatherOptions(task.opacity, self.sharpen, mask)
        return blend_feathered(task.frame, task.area, face, options)


@dataclass(frozen=True)
class Engine:
    """The pipeline of one network and one way of compositing."""

    network: LipSyncNetwork
    compositing: Compositing
    chunks: ChunkedGeneration | None = None
    """For a network that takes frames in chunks; it then runs in the thread of the caller."""

    def frames(
        self,
        tracked: Iterable[TrackedFrame],
        features: Iterable[Any],
        opacities: Iterable[float],
    ) -> Generator[Frame]:
        """The finished frames in order. Close the generator to end its threads early."""
        with ExitStack() as stages:

            def stage(items: Iterator[Any]) -> Iterator[Any]:
                ahead = prefetch(items, steps=_PREFETCHED_BATCHES)
                return stages.enter_context(closing(ahead))

            inputs = zip(tracked, features, opacities, strict=False)
            if self.chunks is not None:
                for task, face in self.chunks(stage(self._tasks(inputs))):
                    yield self._composited(task, face)
                return
            generated = stage(self._generate(stage(self._batches(inputs))))
            for finished in stage(self._composite(generated)):
                yield from finished

    def _tasks(self, inputs: Iterable[tuple[TrackedFrame, Any, float]]) -> Iterator[FrameTask]:
        prepare = self._preparer()
        return (prepare(*values) for values in inputs)

    def _batches(
        self, inputs: Iterable[tuple[TrackedFrame, Any, float]]
    ) -> Iterator[list[FrameTask]]:
        tasks: list[FrameTask] = []
        faces = 0
        for task in self._tasks(inputs):
            tasks.append(task)
            faces += task.area is not None
            if faces == self.network.batch or len(tasks) == _MAX_BATCH_FRAMES * self.network.batch:
                yield tasks
                tasks, faces = [], 0
        if tasks:
            yield tasks

    def _preparer(self) -> Callable[[TrackedFrame, Any, float], FrameTask]:
        """A function that crops the face of a frame; that of a photo only once."""
        last: tuple[TrackedFrame, FrameTask] | None = None

        def prepare(tracked: TrackedFrame, features: Any, opacity: float) -> FrameTask:
            nonlocal last
            if tracked.box is None or opacity == 0:
                return FrameTask(tracked.frame, features, opacity, cut=tracked.cut)
            if last is None or last[0] is not tracked:
                last = tracked, self._cropped(tracked.frame, tracked.box)
            return replace(last[1], features=features, opacity=opacity, cut=tracked.cut)

        return prepare

    def _cropped(self, frame: Frame, box: Box) -> FrameTask:
        """The face of a frame, upright; without features and opacity."""
        turns = box.quarter_turns
        face = box.in_turned_frame(frame.shape[1], frame.shape[0])
        upright = np.ascontiguousarray(np.rot90(frame, turns)) if turns else frame
        area = self.network.crop_area(face, upright)
        prepared = self.network.prepare_face(upright, area)
        return FrameTask(upright, None, 0.0, area, prepared, turns)

    def _generate(
        self, batches: Iterable[list[FrameTask]]
    ) -> Iterator[list[tuple[FrameTask, Frame | None]]]:
        watch = MouthWatch()
        for tasks in batches:
            with_face = [task for task in tasks if task.area is not None]
            faces = iter(self._generate_faces(with_face, watch) if with_face else ())
            yield [(task, next(faces) if task.area is not None else None) for task in tasks]
        watch.finish()

    def _generate_faces(self, tasks: list[FrameTask], watch: MouthWatch) -> Sequence[Frame]:
        pictures, sounds = [task.face for task in tasks], [task.features for task in tasks]
        faces = self.network.generate(pictures, sounds)
        watch.look_at(pictures, sounds, faces)
        return faces

    def _composite(
        self, generated: Iterable[list[tuple[FrameTask, Frame | None]]]
    ) -> Iterator[list[Frame]]:
        for batch in generated:
            yield [self._composited(task, face) for task, face in batch]

    def _composited(self, task: FrameTask, face: Frame | None) -> Frame:
        finished = self.compositing(task, face, self.network)
        if not task.quarter_turns:
            return finished
        return np.ascontiguousarray(np.rot90(finished, -task.quarter_turns))
