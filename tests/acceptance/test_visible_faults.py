"""What goes wrong is seen in `kinomill top`, `doctor`, `/metrics` and Flower, and raises an alert.

Flower knows tasks and workers only: neither queues nor receivers, maintenance or disks.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from bench.dashboard.prometheus import RULES, Prometheus
from cli.settings import environment
from kinomill import Client, JobFailed
from tests.acceptance.flower_page import CREDENTIALS, find_task, online, started
from tests.acceptance.pictures import wall
from tests.acceptance.sounds import lengthen
from tests.api.serving import closed_port
from tests.folders import temporary_folder
from tests.running_stack import running_stack
from tests.waiting import until

pytestmark = pytest.mark.slow
MODEL = "preview-lipsync"
EXAMPLES = Path(__file__).parents[2] / "cli" / "examples"
SECONDS = 120
"""How long a fault may take to be seen: the longest is a lease that must expire."""


@pytest.fixture(scope="module")
def home():
    with temporary_folder("faults") as folder:
        yield folder


@pytest.fixture(scope="module")
def mill(home):
    """A stack of its own, whose queues take four jobs, and whose parts the tests kill."""
    variables = {
        "KINOMILL_METRICS": "true",
        "KINOMILL_MAX_QUEUE_LENGTH": "4",
        "KINOMILL_MAX_RETRIES": "0",
        "KINOMILL_FETCH_NETWORKS": "127.0.0.0/8",
        "KINOMILL_FETCH_ALLOW_HTTP": "true",
    }
    with running_stack(home, variables) as running:
        yield running


@pytest.fixture(scope="module")
def flower(mill):
    yield from started(mill, (), {"FLOWER_BASIC_AUTH": ":".join(CREDENTIALS)})


@pytest.fixture(scope="module")
def prometheus(mill, home):
    """The rules of the deployment, but each alert fires after two seconds, and for one message."""
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not installed: apt-get install prometheus")
    rules = home / "short.yml"
    lines = RULES.read_text().replace(
        "kinomill_webhooks_pending) > 100", "kinomill_webhooks_pending) > 0"
    )
    rules.write_text(
        "\n".join("        for: 2s" if "  for: " in line else line for line in lines.splitlines())
    )
    with Prometheus(home, {"kinomill-api": mill.url.removeprefix("http://")}, rules=rules) as one:
        until(lambda: one.targets().get("kinomill-api") == "up", what="the first scrape")
        yield one


@pytest.fixture
def alert(prometheus):
    """Wait for an alert of the running Prometheus."""

    def fires(name):
        return any(
            one["labels"]["alertname"] == name and one["state"] == "firing"
            for one in prometheus.alerts()
        )

    return lambda name: until(lambda: fires(name), seconds=SECONDS, what=name)


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


def metric(mill, start):
    """The largest value of the lines of /metrics that begin like this."""
    text = httpx.get(f"{mill.url}/metrics", trust_env=False).text
    return max(
        float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(start)
    )


def in_top(mill, words):
    """Wait until `kinomill top` says this, and return its frame."""

    def found():
        frame = top(mill)
        return frame if words in " ".join(frame.split()) else None

    return until(found, seconds=SECONDS, what=words)


def program(mill, name):
    return next(one for one in mill.programs if one.name == name)


def kill(mill, name):
    process = program(mill, name)._process
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_a_failed_job_and_a_dead_receiver(mill, client, flower, alert, tmp_path):
    dead = f"http://127.0.0.1:{closed_port()}/hook"
    bad = wall(tmp_path / "wall.png")
    for _ in range(3):
        job = client.submit(MODEL, image=bad, audio=EXAMPLES / "voice.wav", webhook=dead)
        with pytest.raises(JobFailed):
            client.wait(job)

    frame = in_top(mill, "are refused or not taken")
    assert "no_face" in frame
    assert doctor(mill, "webhooks")["status"] == "warn"
    assert "3 no_face" in doctor(mill, "failures")["detail"]
    assert metric(mill, f'kinomill_jobs_failed_total{{code="no_face",model="{MODEL}"}}') == 3
    assert metric(mill, "kinomill_webhooks_pending") >= 3
    assert until(lambda: find_task(flower, job.id, "FAILURE"))["exception"] == "no_face"
    alert("KinomillJobsFail")
    alert("KinomillWebhooksPending")


@pytest.fixture
def small_disk(mill, home):
    """A full disk of 32 megabytes in which the worker has its scratch folder."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk takes root")
    folder = home / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", folder], check=True)
    restart_worker(mill, KINOMILL_SCRATCH=str(folder))
    ballast = (folder / "ballast").open("wb", buffering=0)
    with ballast as file, pytest.raises(OSError, match="No space"):
        fill(file)
    yield folder
    (folder / "ballast").unlink()
    subprocess.run(["umount", "--lazy", folder], check=True)
    restart_worker(mill)


def fill(file):
    while True:
        file.write(bytes(2**12))


def restart_worker(mill, **variables):
    worker = program(mill, "worker")
    worker.ask_to_stop()
    worker.await_end()
    worker.env = {**worker.env, "KINOMILL_SCRATCH": "/tmp", **variables}
    worker.start()


def test_a_full_disk(mill, client, flower, alert, small_disk):
    in_top(mill, "Disk full: scratch of kinomill@")
    job = client.submit(MODEL, image=EXAMPLES / "face.jpg", audio=EXAMPLES / "voice.wav")
    with pytest.raises(JobFailed, match="disk_full"):
        client.wait(job)

    frame = in_top(mill, "jobs failed in the last hour because a disk was full")
    assert "disk_full" in frame
    disks = doctor(mill, "disks of workers")
    assert (disks["status"], "scratch of kinomill@" in disks["detail"]) == ("fail", True)
    assert doctor(mill, "failures")["status"] == "fail"
    assert metric(mill, f'kinomill_jobs_failed_total{{code="disk_full",model="{MODEL}"}}') == 1
    assert metric(mill, 'kinomill_worker_volume_free_bytes{volume="scratch"') < 2**16
    assert until(lambda: find_task(flower, job.id, "FAILURE"))["exception"] == "disk_full"
    alert("KinomillDiskFull")


def test_a_full_queue_and_a_lost_worker(mill, client, flower, alert, tmp_path):
    long = lengthen(EXAMPLES / "voice.wav", tmp_path / "long.wav", times=12)
    job = client.submit(MODEL, image=EXAMPLES / "face.jpg", audio=long)
    until(lambda: client.get(job).phase == "generating", seconds=SECONDS, what="generating")
    until(lambda: online(flower), what="the worker in Flower")
    assert job.id in top(mill)
    kill(mill, "worker")
    for _ in range(4):
        client.submit(MODEL, image=EXAMPLES / "face.jpg", audio=EXAMPLES / "voice.wav")

    frame = in_top(mill, "Full: new jobs of preview-lipsync are refused")
    body = {
        "model": MODEL,
        "input": {"image": "https://a.example/a", "audio": "https://a.example/b"},
    }
    refused = httpx.post(f"{mill.url}/v1/jobs", json=body, trust_env=False)
    assert (refused.status_code, refused.json()["code"]) == (503, "queue_full")
    full = doctor(mill, "queues")
    assert (full["status"], bool(full["remedy"])) == ("fail", True)
    assert metric(mill, f'kinomill_jobs_waiting{{model="{MODEL}"') == 4
    assert metric(mill, f'kinomill_queue_full{{model="{MODEL}"}}') == 1
    assert metric(mill, f'kinomill_submissions_refused_total{{model="{MODEL}"}}') == 1
    alert("KinomillQueueFull")

    frame = in_top(mill, "Lost: kinomill@")
    assert "silent" in frame
    assert doctor(mill, "lost workers")["status"] == "warn"
    assert metric(mill, f'kinomill_workers{{model="{MODEL}",state="silent"}}') == 1
    until(lambda: not online(flower), what="the lost worker in Flower")
    alert("KinomillWorkerSilent")
    lost = f'kinomill_attempts_lost_total{{model="{MODEL}",reason="lease_expired"}}'
    until(lambda: metric(mill, lost) == 1, seconds=SECONDS, what="the lost attempt")
    alert("KinomillWorkerLost")


def test_a_dead_maintenance_loop(mill, alert):
    kill(mill, "maintenance")

    in_top(mill, "No maintenance program has worked for")
    found = doctor(mill, "maintenance")
    assert (found["status"], "kinomill maintenance" in found["remedy"]) == ("fail", True)
    assert metric(mill, "kinomill_maintenance_silent_seconds") > 10
    alert("KinomillMaintenanceSilent")
