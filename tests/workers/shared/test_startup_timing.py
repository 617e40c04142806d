"""One log line per phase of a cold start."""

from __future__ import annotations

import subprocess
import sys

import pytest
from structlog.testing import capture_logs

from workers.shared.startup_timing import process_seconds, timed


def test_a_completed_phase_is_logged_with_its_seconds():
    with capture_logs() as logs, timed("load", model="tiny"):
        pass

    [line] = logs
    assert (line["event"], line["phase"], line["model"]) == ("cold start", "load", "tiny")
    assert line["seconds"] >= 0


def test_a_failed_phase_is_not_logged():
    with capture_logs() as logs, pytest.raises(ValueError, match="odd"), timed("load"):
        raise ValueError("odd")

    assert logs == []


def test_the_age_of_a_process_includes_the_interpreter_s_start():
    command = "from workers.shared.startup_timing import process_seconds; print(process_seconds())"
    output = subprocess.run([sys.executable, "-c", command], capture_output=True, check=True)

    assert 0 < float(output.stdout) < 60
    assert process_seconds() > 0
