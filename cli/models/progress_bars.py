"""How far a transfer is: bars on a terminal, elsewhere a line every few seconds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from rich import progress as rich

from cli.models.formatting import amount, left, pace, share

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console, RenderableType
    from rich.progress import TaskID

    from weights.download.progress import Count, Progress

OTHER = "by another process"
LINE_SECONDS = 5.0
"""How often a line is written where bars cannot be drawn."""


class Bars:
    """Shows one transfer: a bar for each file on its way, and one for all.

    On anything but a terminal, a plain line now and then, so that a log stays readable. News come
    by `show`, from one thread at a time.
    """

    def __init__(self, console: Console, title: str) -> None:
        self._console = console
        self._title = title
        self._said = 0.0
        self._files: dict[str, TaskID] = {}
        self._bars = _Bars(
            rich.TextColumn("{task.description}", markup=False),
            rich.BarColumn(bar_width=24),
            rich.TextColumn("{task.fields[figures]}", justify="right", markup=False),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._all = self._bars.add_task(title, total=None, figures="")

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def show(self, progress: Progress) -> None:
        """Say how far a file is, and all of them."""
        done, total = progress.done_bytes, progress.total_bytes
        rate = progress.bytes_per_second
        figures = _figures(done, total, rate, left(total - done, rate))
        if self._console.is_terminal:
            self._show_files(progress)
            self._bars.update(self._all, completed=done, total=total, figures=figures)
        else:
            note = OTHER if progress.waiting else ""
            self._say([share(done, total), figures, progress.file, note])

    def _show_files(self, progress: Progress) -> None:
        """A bar for each file that is on its way."""
        paths = {count.path for count in progress.files}
        for path in self._files.keys() - paths:
            self._bars.remove_task(self._files.pop(path))
        for count in progress.files:
            if count.path not in self._files:
                # begun at what was there before, else that would count as speed
                name = self._short(count.path)
                task = self._bars.add_task(name, completed=count.done, total=None, figures="")
                self._files[count.path] = task
            self._show_file(self._files[count.path], count)

    def _show_file(self, task: TaskID, count: Count) -> None:
        note = OTHER if count.waiting else ""
        figures = _figures(count.done, count.total, self._bars.speed(task), note)
        self._bars.update(task, completed=count.done, total=count.total or None, figures=figures)

    def _short(self, path: str) -> str:
        """The end of a path, which tells files apart, in a third of the line."""
        room = max(20, self._console.width // 3)
        return path if len(path) <= room else f"…{path[1 - room :]}"

    def _say(self, words: list[str]) -> None:
        now = time.monotonic()
        if now - self._said >= LINE_SECONDS:
            self._said = now
            line = "  ".join([f"{self._title}:", *filter(None, words)])
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)


class _Bars(rich.Progress):
    """The bar of the whole comes last."""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield self.make_tasks_table([*self.tasks[1:], *self.tasks[:1]])

    def speed(self, task: TaskID) -> float | None:
        return self._tasks[task].speed


def _figures(done: int, total: int, rate: float | None, note: str) -> str:
    parts = [f"{amount(done)} of {amount(total or None)}", pace(rate), note]
    return "  ".join(part for part in parts if part)
