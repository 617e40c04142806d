"""Prometheus's own check of a scrape. Debian's package `prometheus` has it; `make promtool`."""

from __future__ import annotations

import shutil
import subprocess

import pytest

PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is not installed: `make promtool` installs it from Debian"
)


def complaints(text):
    """What `promtool check metrics` says about a scrape; nothing if it is right.

    For tests that are marked with `needs_promtool`.
    """
    command = [PROMTOOL, "check", "metrics"]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=60).stderr
