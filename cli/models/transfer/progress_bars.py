"""Progress of a transfer: bars on a terminal, elsewhere a line every few seconds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from rich import progress as rich

from cli.models.formatting import format_bytes, format_eta, format_percent, format_rate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console, RenderableType
    from rich.progress import TaskID

    from weights.progress import FileProgress, TransferProgress

OTHER_PROCESS = "by another process"
LINE_SECONDS = 5.0
"""Interval of the lines where bars cannot be drawn."""


class ProgressBars:
    """Shows one transfer: a bar for each active file and one for the total.

    Without a terminal it prints a plain line now and then, so that logs stay readable. `show` must
    not be called by two threads at once.
    """

    def __init__(self, console: Console, title: str) -> None:
        self._console = console
        self._title = title
        self._printed_at = 0.0
        self._files: dict[str, TaskID] = {}
        self._bars = _TotalLast(
            rich.TextColumn("{task.description}", markup=False),
            rich.BarColumn(bar_width=24),
            rich.TextColumn("{task.fields[figures]}", justify="right", markup=False),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._total = self._bars.add_task(title, total=None, figures="")

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def show(self, progress: TransferProgress) -> None:
        """Show the progress of the active files and of all files together."""
        done, total = progress.done_bytes, progress.total_bytes
        rate = progress.bytes_per_second
        figures = _figures(done, total, rate, format_eta(total - done, rate))
        if self._console.is_terminal:
            self._show_files(progress)
            self._bars.update(self._total, completed=done, total=total, figures=figures)
        else:
            note = OTHER_PROCESS if progress.waiting else ""
            self._print([format_percent(done, total), figures, progress.file, note])

    def _show_files(self, progress: TransferProgress) -> None:
        """Show a bar for each active file."""
        paths = {file.path for file in progress.files}
        for path in self._files.keys() - paths:
            self._bars.remove_task(self._files.pop(path))
        for file in progress.files:
            if file.path not in self._files:
                # starts at the bytes already there, which must not count into the rate
                name = self._shorten(file.path)
                task = self._bars.add_task(name, completed=file.done, total=None, figures="")
                self._files[file.path] = task
            self._show_file(self._files[file.path], file)

    def _show_file(self, task: TaskID, file: FileProgress) -> None:
        note = OTHER_PROCESS if file.waiting else ""
        figures = _figures(file.done, file.total, self._bars.rate(task), note)
        self._bars.update(task, completed=file.done, total=file.total or None, figures=figures)

    def _shorten(self, path: str) -> str:
        """Return the end of a path, which distinguishes files, in a third of the line."""
        width = max(20, self._console.width // 3)
        return path if len(path) <= width else f"…{path[1 - width :]}"

    def _print(self, columns: list[str]) -> None:
        now = time.monotonic()
        if now - self._printed_at >= LINE_SECONDS:
            self._printed_at = now
            line = "  ".join([f"{self._title}:", *filter(None, columns)])
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)


class _TotalLast(rich.Progress):
    """Progress bars with the first task, the total, at the bottom."""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield self.make_tasks_table([*self.tasks[1:], *self.tasks[:1]])

    def rate(self, task: TaskID) -> float | None:
        return self._tasks[task].speed


def _figures(done: int, total: int, rate: float | None, note: str) -> str:
    parts = [f"{format_bytes(done)} of {format_bytes(total or None)}", format_rate(rate), note]
    return "  ".join(part for part in parts if part)
