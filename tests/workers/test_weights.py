"""A real worker that downloads weights from a Hub: for a job, or before it consumes the queue."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections import Counter

import httpx
import pytest

from cli.stack import free_port
from jobs.fleet.worker_registry import WeightsState
from jobs.queue.broker import message_for
from jobs.states import State
from jobs.tables import Worker
from tests.jobs import build
from tests.waiting import until
from tests.workers.process import ended, outcomes

pytestmark = pytest.mark.acceptance

TINY, UNFREE = "tests.workers.tiny.card:CARD", "tests.workers.tiny.card:UNFREE"


@pytest.fixture
def gates(tmp_path):
    """A file of a gate's name closes that gate of the tiny model; all are open at the end."""
    folder = tmp_path / "gates"
    folder.mkdir()
    yield folder
    for gate in folder.iterdir():
        gate.unlink()


@pytest.fixture
def start_worker(launch_worker, hub, gates, sessions, request):
    """Start a worker of the tiny model on an empty volume; `ready` waits for Celery."""
    hired = []

    def start_worker(*, broker=6, ready=True, **variables):
        port = free_port()
        usual = {
            "KINOMILL_MODELS": json.dumps([TINY]),
            "KINOMILL_HEALTH_PORT": str(port),
            "KINOMILL_METRICS": "true",
            "HF_ENDPOINT": hub.url,
            "KINOMILL_WEIGHTS_CONNECTIONS": "1",
            "TINY_GATES": str(gates),
        }
        name = f"{request.node.name[:40]}-{len(hired)}"
        worker = launch_worker(name, broker=broker, **usual | variables)
        hired.append(worker)
        worker.url = f"http://127.0.0.1:{port}"
        return worker.await_ready() if ready else worker

    yield start_worker
    for worker in hired:
        worker.close()


@pytest.fixture
def submit(sessions):
    def submit(worker, **changes):
        job_id = build.submitted(sessions, model="tiny", queue="tiny", input={}, **changes)
        worker.broker.wake([message_for(build.job(sessions, job_id))], 1000)
        return job_id

    return submit


def on_demand(**more):
    return {"KINOMILL_ON_DEMAND": json.dumps([TINY])} | more


def health(worker, path):
    return httpx.get(worker.url + path, timeout=10)


def shows_metrics(worker, phases):
    """A scrape shows what parent and child have measured of the cold start."""
    text = health(worker, "/metrics").text
    shown = set(re.findall(r'kinomill_cold_start_seconds{model="\w*",phase="(\w+)"}', text))
    assert shown == {*phases, "parent_start", "child_start"}
    assert 'kinomill_weights_bytes_total{model="tiny"} 1.5974752e+07' in text
    assert 'kinomill_worker_state{state="ready"} 1.0' in text


def await_check(worker, path="/readyz"):
    until(lambda: health(worker, path).status_code == 200, seconds=60, what=path)


def row(sessions, worker):
    """The worker's row, once it is registered."""

    def found():
        with sessions() as session:
            return session.get(Worker, worker.name)

    return until(found, what="the worker's row")


def consumes(sessions, worker, models):
    """Wait until the registry shows that it consumes the queues of these models."""
    until(lambda: row(sessions, worker).models == models, what=f"the queues of {models}")


def shows_state(sessions, worker, state):
    """Wait until the registry shows this state of the worker's model."""

    def shown():
        found = row(sessions, worker)
        return found is not None and found.weights.get("tiny", {}).get("state") == state

    until(shown, what=f"{state}")


def in_phase(sessions, job_id, phase):
    def found():
        job = build.job(sessions, job_id)
        assert not State(job.state).final, job.error
        return job.progress or True if job.phase == phase else None

    return until(found, seconds=60, what=phase)


def log_of(worker):
    lines = worker.log.read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def phases_of(worker):
    return Counter(line["phase"] for line in log_of(worker) if line["event"] == "cold start")


def test_the_first_job_of_an_on_demand_model_pulls_loads_and_runs(
    start_worker, submit, sessions, hub, gates
):
    coming = hub.hold("paint.npy", 0.6)
    for gate in ("load", "generate"):
        (gates / gate).touch()
    worker = start_worker(**on_demand())
    job_id = submit(worker)

    def more_than_half():
        progress = in_phase(sessions, job_id, "downloading_weights")
        return progress if progress is not True and progress["done_bytes"] > 8e6 else None

    half = until(more_than_half, what="more than half of the bytes")
    shows_state(sessions, worker, WeightsState.DOWNLOADING)
    coming.set()
    in_phase(sessions, job_id, "loading_model")
    (gates / "load").unlink()
    in_phase(sessions, job_id, "generating")
    (gates / "generate").unlink()
    job = ended(sessions, job_id)

    assert 50 < half["percent"] < 100
    assert half["total_bytes"] == 15_974_752
    assert (job.state, job.result["notes"]["warmed"]) == (State.SUCCEEDED, 0)
    assert {"downloading_weights", "loading_model", "generating"} <= set(job.timings)
    consumes(sessions, worker, ["tiny"])
    second = ended(sessions, submit(worker))
    assert "loading_model" not in second.timings


def test_the_queue_of_a_warm_model_is_consumed_only_once_it_is_loaded(
    start_worker, submit, sessions, hub, gates
):
    coming = hub.hold("paint.npy", 0.6)
    (gates / "warm_up").touch()
    worker = start_worker()
    job_id = submit(worker)

    until(lambda: health(worker, "/startupz").json().get("percent", 0) > 50, what="the bytes")
    reason = health(worker, "/startupz").json()
    assert (reason["phase"], reason["model"], reason["file"]) == (
        "downloading_weights",
        "tiny",
        "paint.npy",
    )
    assert health(worker, "/livez").status_code == 200
    consumes(sessions, worker, [])
    coming.set()
    until(lambda: health(worker, "/startupz").json()["phase"] == "loading_model", what="the load")
    assert health(worker, "/readyz").status_code == 503
    assert build.job(sessions, job_id).state == State.QUEUED
    (gates / "warm_up").unlink()
    job = ended(sessions, job_id)
    shows_state(sessions, worker, WeightsState.LOADED)

    assert (job.state, job.result["notes"]["warmed"]) == (State.SUCCEEDED, 1)
    assert "loading_model" not in job.timings
    assert health(worker, "/readyz").status_code == health(worker, "/startupz").status_code == 200
    consumes(sessions, worker, ["tiny"])
    until(lambda: phases_of(worker)["ready"], what="the last phase")
    once = ("imports", "pull", "weights_check", "read_ahead", "load", "warm_up", "ready")
    assert phases_of(worker) == Counter(once) | Counter(process_start=2)
    shows_metrics(worker, once)


def test_a_failed_pull_leaves_the_worker_alive_not_ready_and_retrying(
    start_worker, submit, sessions, hub
):
    repo = hub.repos.pop("tiny/paint")
    worker = start_worker()

    why = until(lambda: health(worker, "/startupz").json().get("detail"), what="the reason")
    assert "tiny/paint" in why
    shows_state(sessions, worker, WeightsState.FAILED)
    assert health(worker, "/livez").status_code == 200
    hub.repos["tiny/paint"] = repo

    await_check(worker)
    assert ended(sessions, submit(worker)).state == State.SUCCEEDED


def test_a_replacement_child_loads_the_model_and_the_worker_is_not_ready_meanwhile(
    start_worker, submit, sessions, gates
):
    worker = start_worker()
    await_check(worker)
    (gates / "load").touch()

    [pid] = worker.children()
    os.kill(pid, signal.SIGKILL)
    until(lambda: health(worker, "/readyz").status_code == 503, what="the loss to show")
    assert health(worker, "/startupz").status_code == 200
    (gates / "load").unlink()
    await_check(worker)

    assert ended(sessions, submit(worker)).timings.keys().isdisjoint({"loading_model"})


def test_a_queue_is_still_consumed_after_a_broker_outage(start_worker, submit, sessions, redis):
    worker = start_worker(broker=0)
    await_check(worker)
    first = ended(sessions, submit(worker))

    for kind in ("normal", "pubsub"):
        redis.client_kill_filter(_type=kind, skipme=True)

    assert first.state == State.SUCCEEDED
    assert ended(sessions, submit(worker)).state == State.SUCCEEDED


def test_a_queue_is_consumed_after_a_broker_outage_during_the_load(
    start_worker, submit, sessions, redis, gates
):
    (gates / "load").touch()
    worker = start_worker(broker=0)
    until(lambda: health(worker, "/startupz").json()["phase"] == "loading_model", what="the load")

    for kind in ("normal", "pubsub"):
        redis.client_kill_filter(_type=kind, skipme=True)
    (gates / "load").unlink()

    assert ended(sessions, submit(worker)).state == State.SUCCEEDED


def test_a_canceled_job_stops_its_pull_and_the_next_job_resumes_it(
    start_worker, submit, sessions, hub
):
    coming = hub.hold("paint.npy", 0.5)
    worker = start_worker(**on_demand())
    job_id = submit(worker)
    in_phase(sessions, job_id, "downloading_weights")
    until(lambda: hub.counts["paint.npy"].bytes > 7e6, what="half of the bytes")

    build.cancel(sessions, job_id)
    assert until(lambda: build.job(sessions, job_id).state == State.CANCELED, seconds=5)
    coming.set()
    job = ended(sessions, submit(worker))

    assert job.state == State.SUCCEEDED
    [fetched] = [line["bytes"] for line in log_of(worker) if line["event"] == "weights pulled"]
    assert fetched < 0.75 * 15_974_752
    assert outcomes(sessions, job_id) == ["canceled"]


def test_a_draining_worker_preempts_a_job_that_pulls(start_worker, submit, sessions, hub):
    hub.hold("paint.npy", 0.5)
    worker = start_worker(**on_demand(KINOMILL_DRAIN_WINDOW="4"))
    job_id = submit(worker)
    in_phase(sessions, job_id, "downloading_weights")

    assert worker.terminate() == 0

    assert (build.job(sessions, job_id).state, outcomes(sessions, job_id)) == (
        State.QUEUED,
        ["preempted"],
    )


def test_a_worker_that_is_stopped_during_a_pull_ends_at_once(start_worker, hub):
    hub.hold("paint.npy", 0.5)
    worker = start_worker()
    until(lambda: hub.counts["paint.npy"].bytes > 7e6, what="half of the bytes")

    assert worker.terminate() == 0


def test_missing_weights_fail_the_job_with_a_code(start_worker, submit, sessions, hub):
    hub.repos.clear()
    worker = start_worker(**on_demand())

    job = ended(sessions, submit(worker))

    assert (job.state, job.error["code"]) == (State.FAILED, "weights_unavailable")
    assert "tiny/paint" in job.error["detail"]
    shows_state(sessions, worker, WeightsState.FAILED)


def test_a_worker_does_not_start_with_a_license_that_was_not_accepted(start_worker):
    worker = start_worker(ready=False, KINOMILL_MODELS=json.dumps([UNFREE]))

    assert worker.process.wait(30) != 0
    assert "KINOMILL_ACCEPT_LICENSES" in worker.log.read_text()


@pytest.fixture
def small_disk(tmp_path):
    """A file system with space for half of the weights."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk takes root")
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder]
    subprocess.run(mount, check=True)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def blobs(volume):
    return list((volume / "blobs").glob("*"))


def test_f19_a_full_volume_fails_the_job_and_keeps_no_partial_file(
    start_worker, submit, sessions, small_disk
):
    settings = {"KINOMILL_WEIGHTS": str(small_disk), "KINOMILL_MAX_RETRIES": "0"}
    worker = start_worker(**on_demand(**settings))

    job = ended(sessions, submit(worker))

    assert (job.state, job.error["code"]) == (State.FAILED, "disk_full")
    assert [path for path in blobs(small_disk) if path.stat().st_size > 1000] == []


def test_f19_a_warm_worker_with_a_full_volume_is_not_ready_until_there_is_space(
    start_worker, submit, sessions, small_disk
):
    worker = start_worker(KINOMILL_WEIGHTS=str(small_disk))

    until(lambda: health(worker, "/readyz").json().get("phase") == "failed", what="the refusal")
    subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)

    await_check(worker)
    assert ended(sessions, submit(worker)).state == State.SUCCEEDED


def test_an_exact_retry_runs_with_the_weights_of_its_job_alone(start_worker, submit, sessions):
    worker = start_worker(**on_demand())
    first = submit(worker)
    ended(sessions, first)
    revision = build.job(sessions, first).notes["weights_revision"]

    for pinned, state in ((revision, State.SUCCEEDED), ("0" * 16, State.FAILED)):
        job_id = submit(worker, pinned_weights=pinned)
        ended(sessions, job_id)
        assert build.job(sessions, job_id).state == state

    error = build.job(sessions, job_id).error
    assert (error["code"], error["retryable"]) == ("weights_changed", False)
    assert revision in error["detail"]
