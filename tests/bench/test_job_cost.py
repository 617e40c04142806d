"""`bench.job_cost` runs jobs that make each kind of file, and counts what they cost."""

from __future__ import annotations

import json
import subprocess
import sys


def test_the_cost_of_short_jobs_is_measured():
    command = [sys.executable, "-m", "bench.job_cost", "--jobs", "5", "--rounds", "1", "--together"]

    process = subprocess.run(command, capture_output=True, check=True, text=True)

    text, video = map(json.loads, process.stdout.splitlines())
    assert (text["makes"], video["makes"]) == ("text", "video")
    flushes = (text["flushes"], video["flushes"])
    assert flushes in {(3, 4), (4, 6)}  # with and without extended attributes
    assert min(text["user_ms"], video["user_ms"]) > 0
