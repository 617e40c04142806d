"""Prometheus's own check of a scrape. Debian's package `prometheus` has it; `make promtool`."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter

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


def repeated(text):
    """Series that a scrape shows more than once, which promtool lets pass and Prometheus drops."""
    series = Counter(line.rpartition(" ")[0] for line in text.splitlines() if line[0] != "#")
    return [name for name, count in series.items() if count > 1]
