"""What goes wrong for real is seen in `kinomill top`, in `doctor` and at `/metrics`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from cli.settings import CliSettings, environment
from cli.stack import Stack, free_port
from kinomill import Client, JobFailed
from tests.acceptance.pictures import wall
from tests.acceptance.sounds import lengthen
from tests.api.serving import closed_port
from tests.folders import temporary_folder
from tests.waiting import until

pytestmark = pytest.mark.slow
MODEL = "preview-lipsync"
EXAMPLES = Path(__file__).parents[2] / "cli" / "examples"


@pytest.fixture(scope="module")
def mill():
    """A stack of its own, whose queues take four jobs, and whose parts the tests kill."""
    with temporary_folder("faults") as home, pytest.MonkeyPatch.context() as patch:
        patch.setenv("KINOMILL_METRICS", "true")
        patch.setenv("KINOMILL_MAX_QUEUE_LENGTH", "4")
        patch.setenv("KINOMILL_FETCH_NETWORKS", "127.0.0.0/8")
        patch.setenv("KINOMILL_FETCH_ALLOW_HTTP", "true")
        settings = CliSettings(database_url=None, redis_url=None, storage=None)
        with Stack(home, free_port(), settings, lambda _: None) as running:
            yield running


@pytest.fixture
def client(mill):
    with Client(mill.url) as client:
        yield client


def run(mill, *command):
    variables = environment(
        KINOMILL_HOME=str(mill.home), DATABASE_URL=mill.database_url, REDIS_URL=mill.redis_url
    )
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *command],
        env=variables, capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip


def top(mill):
    return run(mill, "top", "--once")


def doctor(mill, name):
    checks = json.loads(run(mill, "doctor", "--json"))["checks"]
    return next(one for one in checks if one["check"] == name)


def metric(mill, line):
    """Whether a line of /metrics begins like this and has a value above 0."""
    text = httpx.get(f"{mill.url}/metrics", trust_env=False).text
    values = [one.rpartition(" ")[2] for one in text.splitlines() if one.startswith(line)]
    return any(float(value) > 0 for value in values)


def kill(mill, name):
    program = next(one for one in mill.programs if one.name == name)
    os.killpg(program._process.pid, signal.SIGKILL)
    program._process.wait()


def test_a_failed_job_and_a_dead_receiver(mill, client, tmp_path):
    dead = f"http://127.0.0.1:{closed_port()}/hook"
    bad = wall(tmp_path / "wall.png")
    job = client.submit(MODEL, image=bad, audio=EXAMPLES / "voice.wav", webhook=dead)
    with pytest.raises(JobFailed):
        client.wait(job)

    until(lambda: "are refused or not taken" in top(mill), seconds=60, what="the receiver in top")
    frame = top(mill)
    assert "no_face" in frame
    assert "1 failing" in frame
    assert doctor(mill, "webhooks")["status"] == "warn"
    assert "1 no_face" in doctor(mill, "failures")["detail"]
    assert metric(mill, f'kinomill_jobs_failed_total{{code="no_face",model="{MODEL}"}}')
    assert metric(mill, "kinomill_webhooks_pending")


def test_a_full_queue_and_a_lost_worker(mill, client, tmp_path):
    long = lengthen(EXAMPLES / "voice.wav", tmp_path / "long.wav", times=12)
    job = client.submit(MODEL, image=EXAMPLES / "face.jpg", audio=long)
    until(lambda: client.get(job).phase == "generating", what="generating")
    assert job.id in top(mill)
    kill(mill, "worker")
    for _ in range(4):
        client.submit(MODEL, image=EXAMPLES / "face.jpg", audio=EXAMPLES / "voice.wav")

    until(lambda: "Lost: kinomill@" in top(mill), seconds=90, what="the lost worker in top")
    frame = top(mill)
    assert "Full: new jobs of preview-lipsync are refused" in frame
    assert "silent" in frame
    assert doctor(mill, "lost workers")["status"] == "warn"
    full = doctor(mill, "queues")
    assert (full["status"], bool(full["remedy"])) == ("fail", True)
    assert metric(mill, f'kinomill_workers{{model="{MODEL}",state="silent"}}')
    assert metric(mill, f'kinomill_jobs_waiting{{model="{MODEL}"')


def test_a_dead_maintenance_loop(mill):
    kill(mill, "maintenance")

    until(
        lambda: "No maintenance program has worked for" in top(mill),
        seconds=90, what="the dead maintenance in top",
    )  # fmt: skip
    found = doctor(mill, "maintenance")
    assert (found["status"], "kinomill maintenance" in found["remedy"]) == ("fail", True)
    assert metric(mill, "kinomill_maintenance_silent_seconds")
