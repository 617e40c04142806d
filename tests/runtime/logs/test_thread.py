"""Logs are written in a thread, in order, and none is lost unless too many wait."""

from __future__ import annotations

import logging
import threading

import pytest

from runtime.logs.thread import logs_in_thread


class SlowHandler(logging.Handler):
    """Waits before it writes the first record."""

    def __init__(self):
        super().__init__()
        self.go = threading.Event()
        self.lines = []

    def emit(self, record):
        assert self.go.wait(10)
        self.lines.append((record.getMessage(), threading.current_thread().name))


@pytest.fixture
def handler():
    """The only handler of the root logger."""
    root, handler = logging.getLogger(), SlowHandler()
    before = root.handlers[:], root.level
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    yield handler
    root.handlers[:] = before[0]
    root.setLevel(before[1])


def test_the_caller_does_not_wait_and_the_end_does(handler):
    log = logging.getLogger("test")

    with logs_in_thread():
        for number in range(100):
            log.warning("line %d", number)
        assert handler.lines == []
        handler.go.set()

    assert [line for line, _ in handler.lines] == [f"line {number}" for number in range(100)]
    assert threading.current_thread().name not in {name for _, name in handler.lines}
    assert handler in logging.getLogger().handlers


def queue_of_root():
    [queue] = [each.queue for each in logging.getLogger().handlers if hasattr(each, "queue")]
    return queue


def test_dropped_records_are_counted(handler):
    log = logging.getLogger("test")

    with logs_in_thread(max_pending=2):
        log.warning("taken by the thread")
        while queue_of_root().qsize():
            pass
        for number in range(5):
            log.warning("line %d", number)
        handler.go.set()
        while queue_of_root().qsize():
            pass
        log.warning("last")

    assert [line for line, _ in handler.lines] == [
        "taken by the thread",
        "line 0",
        "line 1",
        "standard error is too slow: 3 records were dropped",
        "last",
    ]
