"""Finds the followers of a process, and waits for their end."""

from __future__ import annotations

import os
from pathlib import Path

from tests.waiting import until
from tests.workers.process import alive, command_line


def followers(leader=None):
    """Pids of the followers that a process has started."""
    tasks = Path(f"/proc/{leader or os.getpid()}/task").glob("*/children")
    pids = [int(pid) for task in tasks for pid in task.read_text().split()]
    return [pid for pid in pids if "wan.parallel.follower" in command_line(pid) and alive(pid)]


def await_end(pids):
    until(lambda: not any(alive(pid) for pid in pids), seconds=20, what="the followers' end")
