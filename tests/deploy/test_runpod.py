"""deploy/runpod: pods by the length of the queues."""

from __future__ import annotations

import importlib.util
import json
import sys

import pytest

from api.fleet.responses import QueueList, QueueResponse
from tests.deploy.conftest import ROOT
from tests.deploy.fake_runpod import KEY, fake_runpod, refused
from workers.settings import WorkerSettings

FOLDER = ROOT / "deploy" / "runpod"
SECRETS = {
    "DATABASE_URL": "postgresql://kinomill:pass@db.example.com/kinomill?sslmode=require",
    "REDIS_URL": "rediss://:pass@redis.example.com:6379/0",
    "KINOMILL_SECRET_KEY": "k" * 64,
    "AWS_ACCESS_KEY_ID": "id",
    "AWS_SECRET_ACCESS_KEY": "secret",
}


@pytest.fixture(scope="module")
def autoscaler():
    spec = importlib.util.spec_from_file_location("runpod_autoscaler", FOLDER / "autoscaler.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture
def runpod(monkeypatch):
    with fake_runpod() as fake:
        monkeypatch.setenv("KINOMILL_URL", fake.url)
        monkeypatch.setenv("KINOMILL_KEY", KEY)
        monkeypatch.setenv("RUNPOD_API_KEY", KEY)
        for name, value in SECRETS.items():
            monkeypatch.setenv(name, value)
        yield fake


@pytest.fixture
def once(autoscaler, runpod):
    def run(*arguments):
        return autoscaler.main(["--once", "--runpod-url", runpod.url, *arguments])

    return run


def queue(model, demand=0):
    """A queue as the API answers it."""
    return QueueResponse(
        model=model,
        queue=model,
        waiting=demand,
        running=0,
        held=0,
        demand=demand,
        oldest_at=None,
        paused=None,
        workers=0,
        wait_seconds=None,
        eta_seconds=None,
    )


def queues(*items):
    return json.loads(QueueList(items=items).model_dump_json())


def test_pods_are_created_for_waiting_jobs_up_to_the_maximum(once, runpod):
    runpod.add()
    runpod.queues = queues(queue("musetalk", 8), queue("wan2.2-i2v", 9))

    assert once("--max", "3") == 0

    assert len(runpod.created) == 2
    assert runpod.created[0]["env"]["DATABASE_URL"] == SECRETS["DATABASE_URL"]


def test_a_pod_that_starts_is_not_created_twice(once, runpod):
    runpod.queues = queues(queue("musetalk", 1))

    once("--max", "3")
    once("--max", "3")

    assert len(runpod.created) == 1


def test_pods_on_all_pages_count(once, runpod):
    for _ in range(5):
        runpod.add()
    runpod.queues = queues(queue("musetalk", 5))

    once("--max", "5")

    assert runpod.created == []


def test_pods_of_others_are_left_alone(once, runpod):
    other = runpod.add(name="training", status="EXITED")

    once("--idle", "0")

    assert runpod.ids == [other]


def test_no_pod_is_deleted_while_there_is_one_job(once, runpod):
    pods = [runpod.add() for _ in range(3)]
    runpod.queues = queues(queue("musetalk", 1))

    once("--max", "3", "--idle", "0")

    assert runpod.ids == pods


def test_idle_pods_are_deleted_but_for_the_minimum(once, runpod):
    first, *_ = [runpod.add() for _ in range(3)]
    runpod.queues = queues(queue("musetalk"))

    once("--min", "1", "--max", "3", "--idle", "600")
    assert len(runpod.pods) == 3

    once("--min", "1", "--max", "3", "--idle", "0")
    assert runpod.ids == [first]


@pytest.mark.parametrize("status", ["EXITED", "ERROR"])
def test_a_pod_that_has_ended_is_deleted_and_replaced(once, runpod, status):
    ended = runpod.add(status=status)
    runpod.queues = queues(queue("musetalk", 1))

    once()

    assert ended not in runpod.ids
    assert len(runpod.created) == 1


def test_a_dry_run_changes_nothing(once, runpod, capsys):
    pods = [runpod.add(status="EXITED")]
    runpod.queues = queues(queue("musetalk", 1))

    assert once("--dry-run") == 0

    assert (runpod.ids, runpod.created) == (pods, [])
    printed = capsys.readouterr().err
    assert "would send DELETE /pods/pod0" in printed
    assert "would send POST /pods" in printed
    assert SECRETS["DATABASE_URL"] not in printed


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_failed_request_is_one_line_and_deletes_nothing(once, runpod, capsys, method):
    runpod.add()
    runpod.queues = queues(queue("musetalk", 2))
    runpod.failures[method] = 500

    assert once("--max", "2", "--idle", "0") == 1

    assert len(runpod.pods) == 1
    lines = capsys.readouterr().err.splitlines()
    assert f" {method} {runpod.url}" in lines[-1]
    assert "500" in lines[-1]


def test_an_api_out_of_reach_is_one_line(once, monkeypatch, capsys):
    monkeypatch.setenv("KINOMILL_URL", "http://127.0.0.1:9")

    assert once() == 1
    assert "GET http://127.0.0.1:9/v1/queues: " in capsys.readouterr().err


def test_a_variable_that_is_not_set_is_named(once, runpod, monkeypatch, capsys):
    monkeypatch.delenv("REDIS_URL")
    runpod.queues = queues(queue("musetalk", 1))

    assert once() == 1
    assert (
        "the pod's REDIS_URL is ${REDIS_URL}, but REDIS_URL is not set" in capsys.readouterr().err
    )
    assert runpod.created == []


def test_without_a_key_of_runpod_nothing_is_asked(autoscaler, monkeypatch, capsys):
    monkeypatch.delenv("RUNPOD_API_KEY", raising=False)

    assert autoscaler.main(["--once"]) == 2
    assert "RUNPOD_API_KEY" in capsys.readouterr().err


def test_the_loop_goes_on_after_a_failed_round(autoscaler, runpod, monkeypatch):
    rounds = []

    def sleep(seconds):
        rounds.append(seconds)
        if len(rounds) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(autoscaler.time, "sleep", sleep)
    runpod.failures["GET"] = 503

    with pytest.raises(KeyboardInterrupt):
        autoscaler.main(["--runpod-url", runpod.url, "--every", "5"])

    assert rounds == [5, 5]


def test_a_minimum_above_the_maximum_is_a_usage_error(autoscaler, capsys):
    with pytest.raises(SystemExit) as ended:
        autoscaler.main(["--min", "3", "--max", "2"])

    assert ended.value.code == 2
    assert "--min" in capsys.readouterr().err


def test_runpod_accepts_the_pod():
    body = json.loads((FOLDER / "pod.json").read_text())

    assert refused(body) is None
    assert refused(body | {"imageName": "x"}) == "Request validation failed: imageName"


def test_the_worker_accepts_the_variables_of_the_pod(autoscaler, runpod, monkeypatch):
    body = json.loads((FOLDER / "pod.json").read_text())
    for name, value in autoscaler.filled(body["env"]).items():
        monkeypatch.setenv(name, value)

    settings = WorkerSettings()

    known = {f"KINOMILL_{field.upper()}" for field in WorkerSettings.model_fields}
    assert settings.models == ("musetalk",)
    assert {name for name in body["env"] if name.startswith("KINOMILL_")} <= known
