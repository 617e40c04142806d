"""Daemon threads whose errors are raised where they are waited for.

A thread that hangs in a request must not keep the process alive, as those of an executor would.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, TypeVar

from weights.errors import PullStopped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Item = TypeVar("Item")

POLL_SECONDS = 0.1


class Task:
    """A daemon thread and the error that ended it."""

    def __init__(self, act: Callable[[], None]) -> None:
        self.finished = threading.Event()
        self.error: Exception | None = None
        self._act = act
        threading.Thread(target=self._run, name="weights-pull", daemon=True).start()

    def _run(self) -> None:
        try:
            self._act()
        except Exception as error:  # noqa: BLE001 - raised in the thread that waits
            self.error = error
        finally:
            self.finished.set()


def for_each(
    items: Iterable[Item], act: Callable[[Item], None], halt: threading.Event, *, at_once: int
) -> None:
    """Act on all items, several at once; the first error sets `halt` and is raised."""
    queue = deque(items)
    tasks = [Task(_worker(queue, act)) for _ in range(min(at_once, len(queue)))]
    while not all(task.finished.wait(POLL_SECONDS) for task in tasks):
        if any(task.error for task in tasks):
            halt.set()
    errors = [task.error for task in tasks if task.error]
    if errors:
        halt.set()
        raise next((e for e in errors if not isinstance(e, PullStopped)), errors[0])


def _worker(queue: deque[Item], act: Callable[[Item], None]) -> Callable[[], None]:
    def work() -> None:
        while queue:
            try:
                item = queue.popleft()
            except IndexError:
                return
            act(item)

    return work
