"""Logs: an event and its fields; secrets are in neither."""

from __future__ import annotations

import json
import logging
import subprocess
import sys

import pytest
import structlog
from sqlalchemy.exc import OperationalError

from runtime.database import create_database_engine
from runtime.logs.configure import configure
from runtime.logs.thread import logs_in_thread
from tests.runtime.test_settings import ENVIRONMENT, SECRET


@pytest.fixture
def logs(capsys):
    """Configure logging and read what was written; all is as before afterwards."""
    structlog.contextvars.clear_contextvars()
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


def test_a_line_of_a_library_names_its_logger_and_has_no_second_text(logs):
    configure(log_format="json", level="INFO")

    colored = {"color_message": "\x1b[1m%s\x1b[0m"}
    logging.getLogger("uvicorn.error").info("started %s", "it", extra=colored)

    line = json.loads(logs())
    assert line.pop("timestamp")
    assert line == {"level": "info", "event": "started it", "logger": "uvicorn.error"}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        ("\ud800\x00", "\ud800\x00"),
        (b"bytes", "b'bytes'"),
        ({1: {2: (3, None)}}, {"1": {"2": [3, None]}}),
        (2**70, 2**70),
    ],
)
def test_every_value_is_json(logs, value, shown):
    configure(log_format="json", level="INFO")

    structlog.get_logger().info("odd", value=value)

    assert json.loads(logs(), parse_constant=pytest.fail)["value"] == shown


def test_arguments_that_do_not_fit_cost_only_their_own_line(logs):
    configure(log_format="json", level="INFO")

    logging.getLogger("library").warning("%d of them", "many")

    line = json.loads(logs())
    assert (line["logger"], line["level"], line["error"]) == ("library", "warning", "TypeError")
    assert line["where"].startswith(__file__)


def test_an_exception_is_in_the_line_although_a_thread_formats_it(logs):
    configure(log_format="json", level="INFO")

    with logs_in_thread():
        try:
            raise ValueError("lost before")
        except ValueError:
            structlog.get_logger().exception("failed")

    assert "ValueError: lost before" in json.loads(logs())["exception"]


def test_celery_says_nothing_of_messages_that_our_own_lines_say_of_jobs(logs):
    configure(log_format="json", level="INFO")

    logging.getLogger("celery.worker.strategy").info("Task wav2lip[1] received")
    logging.getLogger("celery.app.trace").info("Task wav2lip[1] succeeded in 1s: 'failed'")

    assert logs() == ""


def test_warnings_and_what_ends_threads_and_programs_are_lines_of_the_log():
    code = """
import sys, threading, warnings
from runtime.logs import configure, python_hooks
configure.configure(log_format="json", level="INFO")
python_hooks.install()
warnings.warn("old", DeprecationWarning)
threading.Thread(target=lambda: 1 / 0, name="one").start()
class Bad:
    def __del__(self):
        raise OSError("late")
Bad()
raise LookupError("end")
"""
    shown = subprocess.run(
        [sys.executable, "-W", "always", "-c", code], capture_output=True, text=True, check=False
    )

    lines = [json.loads(line) for line in shown.stderr.splitlines()]
    assert shown.returncode == 1
    assert [(line["event"], line["level"]) for line in lines] == [
        ("warning of Python", "warning"),
        ("thread ended by an error", "error"),
        ("error that nobody could handle", "error"),
        ("program ended by an error", "critical"),
    ]
    assert (lines[0]["category"], lines[0]["text"]) == ("DeprecationWarning", "old")
    assert "LookupError: end" in lines[3]["exception"]
