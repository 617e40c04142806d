"""Runs `kinomill` as a person does: in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys


def kinomill(*words, **variables):
    """Run a command to its end."""
    return subprocess.run(
        command_line(*words), env=environment(**variables), capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip


def command_line(*words):
    return [sys.executable, "-m", "cli.main", *map(str, words)]


def environment(**variables):
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return inherited | {"NO_COLOR": "1", "COLUMNS": "200"} | variables
