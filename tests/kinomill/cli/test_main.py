"""The command line as a whole: help, versions, exit codes, imports, pipes and Ctrl-C."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import kinomill as package
from cli.app import COMMANDS
from kinomill.cli.arguments import PRIORITIES, STATUSES
from kinomill.cli.remote import CLIENT_SETS
from kinomill.jobs import FINAL_STATUSES, Priority
from tests.jobs.build import submitted
from tests.kinomill.cli.command import command_line, environment, kinomill
from tests.waiting import until

HEAVY = {
    "typer", "click", "rich", "pydantic", "pydantic_settings", "sqlalchemy", "celery", "kombu",
    "fastapi", "redis", "psycopg", "structlog", "alembic", "av", "cv2", "numpy", "torch",
    "huggingface_hub", "google.cloud", "pygments", "asyncio",
}  # fmt: skip
CLIENT_COMMANDS = [name for one in CLIENT_SETS for name in one.commands]
HTTP = {"httpx", "httpcore", "h11", "ssl", "http.client", "anyio"}
TRACE = (
    "import sys; from kinomill.cli import main; from cli.app import COMMANDS; main.run([COMMANDS])"
)


def imported(*words, **variables):
    """The modules that a command imports, as `python -X importtime` lists them."""
    shown = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", TRACE, *words],
        env=environment(**variables), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return set(re.findall(r"\|\s+([\w.]+)$", shown.stderr, re.M))


@pytest.mark.parametrize(
    "words", [("--version",), ("--help",), ("nonsense",), ("flower", "--help")]
)
def test_help_and_version_import_nothing_of_the_commands(words):
    modules = imported(*words)

    assert modules >= {"kinomill.cli.main"}
    assert modules & (HEAVY | HTTP) == set()


@pytest.mark.parametrize("command", CLIENT_COMMANDS)
def test_help_of_a_remote_command_imports_no_http_client(command):
    assert imported(command, "--help") & (HEAVY | HTTP) == set()


@pytest.mark.parametrize("words", [("status", "job_1"), ("list",), ("wait", "job_1")])
def test_a_remote_command_imports_what_it_needs(words):
    modules = imported(*words, KINOMILL_URL="http://127.0.0.1:9")

    assert "httpx" in modules
    assert modules & (HEAVY - {"asyncio"}) == set()
    assert modules & {"kinomill.models", "kinomill.async_client"} == set()


SERVER = HEAVY - {"typer", "click", "rich", "pydantic", "pydantic_settings", "asyncio", "pygments"}


def test_the_list_of_weights_imports_no_client_and_no_database():
    modules = imported("models", "list", KINOMILL_WEIGHTS="/nowhere")

    assert "models.catalog" in modules
    assert modules & (SERVER | HTTP - {"ssl"} | {"cli.models.pull", "cli.models.convert"}) == set()


def test_top_of_an_api_imports_no_database():
    modules = imported("top", "--once", "--url", "http://127.0.0.1:9")

    assert "httpx" in modules
    assert modules & (SERVER | {"models.catalog", "pydantic_settings"}) == set()


def test_top_of_a_database_imports_no_model_and_no_client():
    variables = {"DATABASE_URL": "postgresql://127.0.0.1:9/x", "REDIS_URL": "redis://127.0.0.1:9"}
    modules = imported("top", "--once", **variables)

    assert "sqlalchemy" in modules
    assert modules & {"models.catalog", "httpx", "fastapi", "celery", "torch", "numpy"} == set()


@pytest.mark.parametrize("program", ["api", "maintenance", "worker"])
def test_a_program_starts_without_typer(program):
    modules = imported(program)

    assert "cli.serve" in modules
    # structlog looks for `rich` and must not find it: the attempt alone is listed, too
    assert modules & {"typer", "click", "rich._extension", "httpx", "alembic"} == set()


def test_the_choices_of_arguments_are_those_of_the_client():
    assert tuple(Priority) == PRIORITIES
    assert set(STATUSES) > FINAL_STATUSES


def test_the_version_is_printed():
    shown = kinomill("--version")

    assert (shown.returncode, shown.stdout) == (0, f"kinomill {package.__version__}\n")


@pytest.mark.parametrize("command", [*CLIENT_COMMANDS, *COMMANDS.commands])
def test_each_command_has_help(command):
    shown = kinomill(command, "--help")

    assert shown.returncode == 0, shown.stderr
    assert f"kinomill {command}" in shown.stdout


def test_help_explains_the_exit_codes():
    shown = kinomill("--help")

    for code in ("0 done", "1 the job failed", "2 wrong", "124", "130 Ctrl-C", "141"):
        assert code in shown.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("stats",), "did you mean 'status'?"),
        (("--jsn",), "there is no option '--jsn'"),
        (("status",), "required: JOB"),
        (("list", "--limit", "0"), "not a whole number"),
        (("submit", "m", "a=b", "--ttl", "soon"), "'soon' is not a time"),
        (("submit", "m", "a=b", "--label", "x"), "'x' is not NAME=VALUE"),
        (("submit", "m", "a=b", "a=c"), "a: is given twice"),
        (("backfill", "rows.csv"), "--model"),
    ],
)
def test_wrong_arguments_end_with_code_2_and_a_sentence(words, message):
    shown = kinomill(*words)

    assert shown.returncode == 2
    assert message in shown.stderr
    assert "Traceback" not in shown.stderr


@pytest.mark.parametrize(("name", "message"), [
    ("nope.csv", "nope.csv cannot be used: No such file or directory"),
    ("rows.xlsx", 'a spreadsheet is saved as "CSV UTF-8"'),
])  # fmt: skip
def test_a_wrong_rows_file_is_named_also_without_a_server(tmp_path, name, message):
    (tmp_path / "rows.xlsx").write_bytes(b"PK")

    shown = kinomill("backfill", tmp_path / name, "--model", "m", KINOMILL_URL="http://127.0.0.1:9")

    assert shown.returncode == 2
    assert message in shown.stderr
    assert "--state" not in shown.stderr
    assert "Kinomill API" not in shown.stderr


def test_the_reader_of_a_pipe_may_go(server, sessions):
    for _ in range(30):
        submitted(sessions)
    command = " ".join(command_line("list", "--all", "--json"))

    shown = subprocess.run(
        ["bash", "-c", f"{command} | head -n 1; echo ${{PIPESTATUS[0]}}"],
        env=environment(KINOMILL_URL=server), capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip

    assert shown.stdout.splitlines()[0] == "["
    assert shown.stdout.splitlines()[1] in {"0", "141"}
    assert shown.stderr == ""


def test_ctrl_c_in_code_from_a_string_ends_with_its_exit_code_too(tmp_path):
    (tmp_path / "interrupted.py").write_text(INTERRUPTED)

    ended = subprocess.run(
        [sys.executable, "-m", "interrupted", "go"],
        cwd=tmp_path,
        env=environment(PYTHONPATH=str(Path(package.__file__).parents[1])),
    )

    assert ended.returncode == 130


INTERRUPTED = """
from kinomill.cli.command_set import Command, CommandSet
from kinomill.cli.main import run


def interrupted(arguments):
    exec("raise KeyboardInterrupt")


run([CommandSet("", {"go": Command("", "")}, interrupted)])
"""


@pytest.mark.parametrize("words", [("wait",), ("wait", "--json")])
def test_ctrl_c_says_that_the_job_goes_on(server, sessions, words):
    job_id = submitted(sessions)
    process = subprocess.Popen(
        command_line(*words, job_id), env=environment(KINOMILL_URL=server),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until(lambda: waits(process.pid), what="the command to wait for its answer")

    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)

    assert process.returncode == 130
    assert f"kinomill cancel {job_id}" in said
    assert "Traceback" not in said


def waits(pid):
    """Whether the process has a connection, and waits for something."""
    links = subprocess.run(
        ["ls", "-l", f"/proc/{pid}/fd"], capture_output=True, text=True, check=False
    ).stdout
    state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return "socket:" in links and state == "S"


def test_names_of_settings_take_any_case():
    shown = kinomill("list", kinomill_url="http://127.0.0.1:9")

    assert "http://127.0.0.1:9" in shown.stderr
