"""Logs: an event and its fields; secrets are in neither."""

from __future__ import annotations

import json
import logging

import pytest
import structlog
from sqlalchemy.exc import OperationalError

from runtime.database import create_database_engine
from runtime.logs import configure
from tests.runtime.test_settings import ENVIRONMENT, SECRET


@pytest.fixture
def logs(capsys):
    """Configure logging and read what was written; all is as before afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def written():
        return capsys.readouterr().err

    yield written
    root.handlers[:], _ = handlers, root.setLevel(level)
    structlog.reset_defaults()


def test_json_contains_the_event_its_fields_and_the_bound_context(logs):
    configure(log_format="json", level="info")

    with structlog.contextvars.bound_contextvars(job="job_x"):
        structlog.get_logger().info("attempt started", model="wav2lip")

    line = json.loads(logs())
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "attempt started",
        "job": "job_x",
        "level": "info",
        "model": "wav2lip",
    }


def test_lines_of_other_libraries_look_the_same(logs):
    configure(log_format="json", level="INFO")

    logging.getLogger("celery").warning("lost %s", "it", extra={"seconds": 3})
    logging.getLogger("httpx").info("too much")

    line = json.loads(logs())
    assert (line["event"], line["level"], line["seconds"]) == ("lost it", "warning", 3)


def test_messages_below_the_level_are_not_written(logs):
    configure(log_format="json", level="WARNING")

    structlog.get_logger().info("quiet")
    logging.getLogger("celery").info("quiet")

    assert logs() == ""


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_secret_is_in_the_logs(logs, log_format, monkeypatch):
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    from runtime.settings import Settings

    settings = Settings()
    configure(log_format=log_format, level="INFO")
    log = structlog.get_logger()

    log.info("settings", settings=settings)
    try:
        with create_database_engine(f"postgresql://me:{SECRET}@127.0.0.1:1/db").connect():
            pass
    except OperationalError:
        log.exception("no database")

    written = logs()
    assert "no database" in written
    assert "OperationalError" in written
    assert SECRET not in written


def test_a_traceback_shows_no_values(logs):
    configure(log_format="console", level="INFO")
    password = SECRET

    try:
        raise ValueError(len(password))
    except ValueError:
        structlog.get_logger().exception("failed")

    assert SECRET not in logs()
