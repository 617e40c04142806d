"""Modules named like ours in the current folder do not break our programs."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import httpx
import pytest

from cli.stack import free_port
from tests.packaging.conftest import ROOT
from tests.waiting import until

NAMES = sorted(
    path.parent.name
    for path in ROOT.glob("*/__init__.py")
    if path.parent.name not in {"tests", "bench", "docs", "docker", "deploy"}
)
LIBRARIES = ("alembic", "billiard", "celery", "flower", "kombu", "queue", "redis", "uvicorn")


@pytest.fixture
def folder(tmp_path):
    """Modules and packages named like ours and like libraries; each raises when imported."""
    folder = tmp_path / "mine"
    folder.mkdir(mode=0o755)
    for name in (*NAMES, *LIBRARIES):
        (folder / f"{name}.py").write_text(f"raise RuntimeError('imported {name} of the user')\n")
    for name in ("jobs", "storage"):
        (folder / f"{name}.py").unlink()
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(f"raise RuntimeError('imported {name}')\n")
    return folder


@pytest.fixture
def variables(database_url, broker_url, tmp_path):
    env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return env | {
        "DATABASE_URL": database_url,
        "REDIS_URL": broker_url,
        "KINOMILL_STORAGE": str(tmp_path / "objects"),
        "KINOMILL_SECRET_KEY": "a secret of the tests, long enough",
        "KINOMILL_HOME": str(tmp_path / "home"),
        "KINOMILL_SCRATCH": str(tmp_path),
    }


@pytest.fixture
def start(folder, variables, server_environment):
    """Start the installed `kinomill` in that folder; running processes are stopped at the end."""
    started = []

    def launch(*arguments, log=subprocess.PIPE, without=(), **more):
        env = {name: value for name, value in variables.items() if name not in without}
        process = subprocess.Popen(
            [server_environment.folder / "bin" / "kinomill", *arguments],
            cwd=folder,
            env=env | more,
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield launch
    for process in started:
        process.terminate()
        try:
            process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def answers(url):
    try:
        return httpx.get(url, timeout=2, trust_env=False).is_success
    except httpx.TransportError:
        return False


def test_the_folder_shadows_every_package_of_ours(folder):
    assert {"api", "jobs", "kinomill", "models", "workers"} <= set(NAMES)
    shown = subprocess.run(
        [sys.executable, "-m", "models"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert "imported models of the user" in shown.stderr


def test_the_demo_creates_its_video(start, folder):
    process = start("demo", without=("DATABASE_URL", "REDIS_URL", "KINOMILL_STORAGE"))
    said, _ = process.communicate(timeout=120)

    assert process.returncode == 0, said
    assert list((folder / "out").glob("*.mp4"))


def test_up_starts_and_stops(start):
    port = free_port()
    process = start("up", "--port", str(port))
    until(
        lambda: process.poll() is not None or answers(f"http://127.0.0.1:{port}/readyz"),
        seconds=90,
        what="the API",
    )
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)

    assert process.returncode == 0, said
    assert "Kinomill has stopped" in said


def test_migrate_finds_the_database_up_to_date(start):
    process = start("migrate")
    said, _ = process.communicate(timeout=60)

    assert process.returncode == 0, said
    assert re.search(r"database at \w+ already", said)


def test_a_worker_and_its_child_become_ready(start, tmp_path):
    alive, log = tmp_path / "worker.alive", tmp_path / "worker.log"
    with log.open("wb") as file:
        process = start("worker", log=file, KINOMILL_HEARTBEAT_FILE=str(alive))
        until(lambda: process.poll() is not None or alive.exists(), seconds=90, what="the worker")

    assert process.poll() is None, log.read_text()
    assert "RuntimeError" not in log.read_text()


def test_flower_answers(start, tmp_path):
    port, log = free_port(), tmp_path / "flower.log"
    with log.open("wb") as file:
        process = start("flower", "--port", str(port), log=file)
        url = f"http://127.0.0.1:{port}/healthcheck"
        until(lambda: process.poll() is not None or answers(url), seconds=60, what="Flower")

    assert process.poll() is None, log.read_text()


@pytest.mark.parametrize("program", ["api", "maintenance"])
def test_a_program_starts(start, tmp_path, program):
    alive, log, port = tmp_path / "alive", tmp_path / "log", free_port()
    options = ["--port", str(port)] if program == "api" else []
    with log.open("wb") as file:
        process = start(program, *options, log=file, KINOMILL_HEARTBEAT_FILE=str(alive))
        url = f"http://127.0.0.1:{port}/readyz"
        until(
            lambda: process.poll() is not None or alive.exists() or answers(url),
            seconds=60,
            what=program,
        )

    assert process.poll() is None, log.read_text()
