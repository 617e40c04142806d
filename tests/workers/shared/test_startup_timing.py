"""The lines by which a log tells where the seconds of a start went."""

from __future__ import annotations

import subprocess
import sys

import pytest
from structlog.testing import capture_logs

from workers.shared.startup_timing import process_seconds, timed


def test_a_phase_that_ended_has_a_line_with_its_seconds():
    with capture_logs() as logs, timed("load", model="tiny"):
        pass

    [line] = logs
    assert (line["event"], line["phase"], line["model"]) == ("cold start", "load", "tiny")
    assert line["seconds"] >= 0


def test_a_phase_that_failed_has_none():
    with capture_logs() as logs, pytest.raises(ValueError, match="odd"), timed("load"):
        raise ValueError("odd")

    assert logs == []


def test_the_age_of_a_process_includes_what_came_before_its_first_line():
    command = "from workers.shared.startup_timing import process_seconds; print(process_seconds())"
    told = subprocess.run([sys.executable, "-c", command], capture_output=True, check=True)

    assert 0 < float(told.stdout) < 60
    assert process_seconds() > 0
