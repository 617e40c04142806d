"""The simulation of autoscaling in its small form: 0 to 4 to 0 workers, 40 jobs, none lost."""

from __future__ import annotations

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest

from bench.scaling import scalers
from bench.scaling.scalers import DeletionCost, Depth, Limits, QueuedOnly, ScaledJob, ScaledObject

LIMITS = Limits(max_pods=4, poll=1, stabilization=5, cooldown=10)
SMALL = {"pods": 4, "bursts": 2, "jobs": 20, "gap": 20, "short": 0.2, "long": 2, "idle": 3}


class Pods:
    """Counts what a scaler asks for; its pods are names only."""

    def __init__(self):
        self.wanted = []

    @property
    def running(self):
        return self.wanted

    def add(self, count):
        names = [f"pod-{len(self.wanted) + number}" for number in range(count)]
        self.wanted += [SimpleNamespace(name=name) for name in names]

    def remove(self, pods):
        self.wanted = [pod for pod in self.wanted if pod not in pods]


@pytest.fixture
def at(monkeypatch):
    """Set the time that the scalers read."""
    clock = SimpleNamespace(now=1000.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(scalers, "time", clock)
    return lambda seconds: setattr(clock, "now", 1000.0 + seconds)


def polled(scaler, pods, waiting, running):
    scaler.poll(Depth(waiting, running), pods)
    return len(pods.wanted)


def test_a_scaled_object_follows_queued_and_running_jobs_and_waits_before_it_shrinks(at):
    scaler, pods = ScaledObject(LIMITS), Pods()

    assert polled(scaler, pods, 9, 0) == 4
    at(2)
    assert polled(scaler, pods, 0, 3) == 4
    at(6)
    assert polled(scaler, pods, 0, 2) == 3
    at(14)
    assert polled(scaler, pods, 0, 0) == 1
    at(17)
    assert polled(scaler, pods, 0, 0) == 0


def test_a_trigger_on_the_queue_alone_removes_pods_that_all_run_jobs(at):
    scaler, pods = QueuedOnly(LIMITS), Pods()
    polled(scaler, pods, 4, 0)
    at(6)

    assert polled(scaler, pods, 0, 4) == 1


def test_a_scaled_job_starts_what_is_missing_for_queued_and_running_jobs_and_removes_none(at):
    scaler, pods = ScaledJob(LIMITS), Pods()

    assert polled(scaler, pods, 1, 0) == 1
    assert polled(scaler, pods, 1, 0) == 1
    assert polled(scaler, pods, 2, 1) == 3
    assert polled(scaler, pods, 9, 3) == 4
    at(100)
    assert polled(scaler, pods, 0, 0) == 4


def test_with_a_deletion_cost_idle_pods_go_first(at):
    scaler, pods = DeletionCost(LIMITS), Pods()
    polled(scaler, pods, 4, 0)
    pods.busy = lambda: {"pod-0", "pod-2"}
    at(6)

    polled(scaler, pods, 0, 2)

    assert [pod.name for pod in pods.wanted] == ["pod-0", "pod-2"]


@pytest.mark.slow
@pytest.mark.parametrize("form", ["scaled_object", "scaled_job"])
def test_no_job_is_lost_or_run_twice_while_workers_come_and_go(form):
    options = [word for name, value in SMALL.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "bench.scaling", *options, "--forms", form]
    process = subprocess.run(command, capture_output=True, check=True, text=True)

    report = json.loads(process.stdout)
    [found] = report["forms"]

    assert (report["bench"], found["form"], found["jobs"]) == ("scaling", form, 40)
    assert (found["lost"], found["doubled"], found["attempts_lost"]) == (0, 0, 0)
    assert found["attempts_preempted"] == found["pods_killed"] == 0
    assert found["pods_at_most"] <= 4
    assert found["worker_seconds"] > 0
    if form == "scaled_job":
        assert found["pods_removed_busy"] == 0
