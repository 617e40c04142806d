"""Equal warnings are limited, and what was dropped is announced."""

from __future__ import annotations

import logging

import pytest
import structlog

from runtime.logs import repeat_limit
from runtime.logs.configure import configure
from runtime.logs.repeat_limit import MAX_LINES
from tests.api.serving import restored_logging


@pytest.fixture
def logs(capsys):
    """Configure logging and read what was written; all is as before afterwards."""

    def configured():
        configure(log_format="json", level="INFO")
        return lambda: capsys.readouterr().err.splitlines()

    with restored_logging():
        yield configured
    structlog.reset_defaults()


def test_warnings_of_one_text_are_limited_and_others_are_not(logs):
    written, log = logs(), structlog.get_logger()
    for number in range(10 * MAX_LINES):
        log.warning("broker unavailable", jobs=number)
        logging.getLogger("uvicorn.error").error("no descriptor %s", number)
    log.warning("something else")

    lines = written()

    assert len(lines) == 2 * MAX_LINES + 1
    assert sum("are dropped" in line for line in lines) == 2
    assert "something else" in lines[-1]


def test_a_new_window_begins_after_some_seconds(logs, monkeypatch):
    written = logs()
    monkeypatch.setattr(repeat_limit, "WINDOW_SECONDS", 0.0)
    for _ in range(3 * MAX_LINES):
        structlog.get_logger().warning("again")

    assert len(written()) == 3 * MAX_LINES


def test_lines_of_requests_are_not_limited(logs):
    written = logs()
    for _ in range(3 * MAX_LINES):
        structlog.get_logger().info("request")

    assert len(written()) == 3 * MAX_LINES
