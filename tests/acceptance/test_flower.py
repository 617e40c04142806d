"""Flower shows the worker and its tasks, read-only."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import httpx
import pytest
from sqlalchemy import select

from cli.stack import free_port
from jobs.tables import Attempt
from kinomill import JobFailed
from tests.acceptance.flower_page import (
    CREDENTIALS,
    all_tasks,
    counted,
    find_task,
    online,
    started,
)
from tests.acceptance.pictures import wall
from tests.acceptance.sounds import lengthen
from tests.api.serving import closed_port
from tests.waiting import until


@pytest.fixture
def flower(stack):
    login = {
        "FLOWER_BASIC_AUTH": ":".join(CREDENTIALS),
        "KINOMILL_ALLOWED_HOSTS": "mill.lan",
        "KINOMILL_PUBLIC_URL": stack.url,
    }
    yield from started(stack, (), login)


@pytest.fixture
def long(voice, tmp_path):
    """Speech for a job that is long enough to be interrupted."""
    return lengthen(voice, tmp_path / "long.wav", times=12)


def test_flower_shows_the_worker_and_a_running_task_by_its_model(flower, client, photo, long):
    job = client.submit("preview-lipsync", image=photo, audio=long)
    until(lambda: client.get(job).status == "running", what="running")

    task = until(lambda: find_task(flower, job.id), what="the task in Flower")
    workers = until(lambda: online(flower), what="a worker online")

    assert client.get(job).status == "running"
    assert task["name"] == "preview-lipsync"
    assert task["args"] == f"('{job.id}',)"
    assert [name.split("@")[0] for name in workers] == ["kinomill"]
    client.cancel(job)


def test_a_job_that_fails_counts_as_failed(flower, client, photo, voice, tmp_path):
    job = client.submit("preview-lipsync", image=wall(tmp_path / "wall.png"), audio=voice)

    with pytest.raises(JobFailed, match="no_face"):
        client.wait(job)
    task = until(lambda: find_task(flower, job.id, "FAILURE"), what="the failure in Flower")
    metrics = flower.get("/metrics").text
    assert (task["name"], task["exception"]) == ("preview-lipsync", "no_face")
    assert 'task="preview-lipsync",type="task-failed"' in metrics
    assert until(lambda: counted(flower, "task-failed"), what="the count of the worker") >= 1


def test_a_canceled_job_is_revoked_and_its_page_is_linked(flower, client, stack, photo, long):
    job = client.submit("preview-lipsync", image=photo, audio=long)
    until(lambda: find_task(flower, job.id, "STARTED"), what="the task in Flower")
    client.cancel(job)

    until(lambda: find_task(flower, job.id, "REVOKED"), what="the cancel in Flower")
    page = flower.get(f"/task/{job.id}").text
    assert f'href="{stack.url}/jobs/{job.id}"' in page
    assert "Page of the job" in page


def test_every_job_is_a_task_however_few_messages_wake_the_worker(flower, client, photo, voice):
    jobs = [client.submit("preview-lipsync", image=photo, audio=voice) for _ in range(4)]
    for job in jobs:
        client.wait(job)

    tasks = until(
        lambda: all(find_task(flower, job.id, "SUCCESS") for job in jobs) and all_tasks(flower),
        what="all tasks",
    )
    assert {task["uuid"] for task in tasks.values()} == set(tasks)
    assert all(name.startswith("job_") and ":" not in name for name in tasks)


def test_a_killed_child_is_a_retry_of_the_task(flower, client, stack_sessions, photo, long):
    job = client.submit("preview-lipsync", image=photo, audio=long)
    until(lambda: client.get(job).phase == "generating", what="generating")
    with stack_sessions() as session:
        attempt = session.scalar(select(Attempt).where(Attempt.job_id == job.id))

    os.kill(attempt.pid, signal.SIGKILL)

    until(
        lambda: 'task="preview-lipsync",type="task-retried"' in flower.get("/metrics").text,
        what="the retry in Flower",
    )
    until(lambda: client.get(job).attempt == 2, what="the second attempt")
    task = until(lambda: find_task(flower, job.id, "STARTED"), what="the task in Flower")
    client.cancel(job)
    assert task["retries"] == 1


def test_flower_is_read_only_and_requires_credentials(flower):
    worker = next(iter(until(lambda: online(flower), what="a worker online")))

    shutdown = flower.post(f"/api/worker/shutdown/{worker}")
    anonymous = httpx.get(f"{flower.base_url}/api/workers", trust_env=False)

    assert shutdown.status_code in {403, 405}
    assert anonymous.status_code == 401


def test_flower_logs_as_our_programs_do_and_writes_no_secret(tmp_path):
    planted = {"broker": "planted-of-the-broker", "page": "planted-of-the-page"}
    log = tmp_path / "log"
    variables = {
        "REDIS_URL": f"redis://:{planted['broker']}@127.0.0.1:{closed_port()}/0",
        "FLOWER_BASIC_AUTH": f"kinomill:{planted['page']}",
        "KINOMILL_LOG_FORMAT": "json",
    }
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli.main", "flower", "--port", str(free_port())],
            env={"PATH": os.environ["PATH"]} | variables,
            stderr=file,
        )
        until(lambda: "refused" in log.read_text(), seconds=90, what="the refused connection")
        process.terminate()
        process.wait(timeout=20)

    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert {"timestamp", "level", "event", "logger"} <= set(lines[0])
    assert not any(secret in log.read_text() for secret in planted.values())


def test_flower_s_metrics_have_buckets_of_minutes(flower, client, photo, voice):
    job = client.submit("preview-lipsync", image=photo, audio=voice)
    client.wait(job)

    metrics = until(lambda: runtime_metrics(flower), what="runtime metrics")

    assert 'le="600.0"' in metrics


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


def test_flower_with_control_cancels_a_job(controlling, client, photo, long):
    job = client.submit("preview-lipsync", image=photo, audio=long)
    until(lambda: find_task(controlling, job.id), what="the task in Flower")

    answer = controlling.post(f"/api/task/revoke/{job.id}", params={"terminate": "true"})

    assert answer.status_code == 200, answer.text
    until(lambda: client.get(job).status == "canceled", what="the cancel")
