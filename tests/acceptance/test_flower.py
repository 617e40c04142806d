"""Flower shows the worker and its tasks, read-only."""

from __future__ import annotations

import os
import subprocess
import sys

import httpx
import pytest

from cli.stack import free_port
from tests.acceptance.sounds import lengthen
from tests.waiting import until

CREDENTIALS = ("kinomill", "correct horse")


@pytest.fixture
def flower(stack):
    login = {"FLOWER_BASIC_AUTH": ":".join(CREDENTIALS), "KINOMILL_ALLOWED_HOSTS": "mill.lan"}
    yield from started(stack, (), login)


def started(stack, options, variables):
    port = free_port()
    env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.main", "flower", "--port", str(port), *options],
        env=env | {"REDIS_URL": stack.redis_url} | variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with httpx.Client(
        base_url=f"http://127.0.0.1:{port}", auth=CREDENTIALS, trust_env=False
    ) as page:
        until(lambda: responds(page), seconds=60, what="Flower")
        yield page
    process.terminate()
    process.wait(timeout=20)


def responds(page):
    try:
        return page.get("/healthcheck").is_success
    except httpx.TransportError:
        return False


def test_flower_shows_the_worker_and_a_running_task_by_its_model(
    flower, client, photo, voice, tmp_path
):
    long = lengthen(voice, tmp_path / "long.wav", times=12)
    job = client.submit("preview-lipsync", image=photo, audio=long)
    until(lambda: client.get(job).status == "running", what="running")

    task = until(lambda: find_task(flower, job.id), what="the task in Flower")
    workers = until(lambda: online(flower), what="a worker online")

    assert client.get(job).status == "running"
    assert task["name"] == "preview-lipsync"
    assert task["args"] == f"('{job.id}',)"
    assert [name.split("@")[0] for name in workers] == ["kinomill"]
    client.cancel(job)


def test_flower_is_read_only_and_requires_credentials(flower):
    worker = next(iter(until(lambda: online(flower), what="a worker online")))

    shutdown = flower.post(f"/api/worker/shutdown/{worker}")
    anonymous = httpx.get(f"{flower.base_url}/api/workers", trust_env=False)

    assert shutdown.status_code in {403, 405}
    assert anonymous.status_code == 401


def test_flower_s_metrics_have_buckets_of_minutes(flower, client, photo, voice):
    job = client.submit("preview-lipsync", image=photo, audio=voice)
    client.wait(job)

    metrics = until(lambda: runtime_metrics(flower), what="runtime metrics")

    assert 'le="600.0"' in metrics


def find_task(flower, job_id):
    tasks = flower.get("/api/tasks").json()
    return next((task for name, task in tasks.items() if name.startswith(job_id)), None)


def online(flower):
    page = flower.get("/workers?json=1").json()["data"]
    return {row["hostname"] for row in page if row["status"]}


def runtime_metrics(flower):
    text = flower.get("/metrics").text
    return text if "flower_task_runtime_seconds_bucket" in text else None


@pytest.mark.parametrize(
    ("options", "variables", "words"),
    [
        (["--control"], {}, "KINOMILL_FLOWER_PASSWORD"),
        (["--host", "0.0.0.0"], {}, "KINOMILL_FLOWER_PASSWORD"),
        (["--host", "192.168.1.5"], {}, "KINOMILL_ALLOW_ANONYMOUS"),
        (["--control", "--host", "::"], {"KINOMILL_ALLOW_ANONYMOUS": "true"}, "needs a login"),
        ([], {"KINOMILL_FLOWER_PASSWORD": "short"}, "at least 8"),
    ],
)
def test_flower_refuses_what_strangers_could_use(options, variables, words):
    shown = subprocess.run(
        [sys.executable, "-m", "cli.main", "flower", *options],
        env={"PATH": os.environ["PATH"], "REDIS_URL": "redis://127.0.0.1:9"} | variables,
        capture_output=True,
        text=True,
    )

    assert shown.returncode == 1
    assert words in shown.stderr
    assert "Traceback" not in shown.stderr


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Host": "localhost:5555"}, 200),
        ({"Host": "mill.lan"}, 200),
    ],
)
def test_flower_answers_to_names_of_this_machine_only(flower, headers, status):
    answer = flower.get("/workers", headers=headers)

    assert answer.status_code == status
    assert status == 200 or "KINOMILL_ALLOWED_HOSTS" in answer.text


@pytest.fixture
def controlling(stack):
    yield from started(stack, ("--control",), {"KINOMILL_FLOWER_PASSWORD": "correct horse"})


def test_flower_with_control_and_a_password_stops_a_task(controlling):
    worker = next(iter(until(lambda: online(controlling), what="a worker online")))

    done = controlling.post(f"/api/worker/pool/grow/{worker}", params={"n": 0})
    stranger = httpx.post(f"{controlling.base_url}/api/worker/pool/grow/{worker}", trust_env=False)

    assert done.status_code not in {401, 403, 405}, done.text
    assert stranger.status_code == 401
