"""One run: bursts of jobs, a scaler that looks at the queue, and what it cost."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass
from functools import partial
from statistics import quantiles
from typing import TYPE_CHECKING, Any

from bench.process_tree import process_tree, resident_mb
from bench.scaling.pods import Pods
from bench.scaling.service import ScaledService

if TYPE_CHECKING:
    from bench.scaling.scalers import Scaler
    from bench.service.servers import Servers

STEP_SECONDS = 0.1
GRACE_SECONDS = 15
"""From the end of the drain window to SIGKILL."""
LIMIT_SECONDS = 900


@dataclass(frozen=True)
class Load:
    """Bursts of jobs at fixed times; one job of five is long."""

    bursts: int
    jobs: int
    """Of each burst."""
    gap: float
    """Seconds from one burst to the next."""
    short: float
    long: float

    @property
    def durations(self) -> list[float]:
        """Those of the jobs of one burst, in their order."""
        return [self.long if number % 5 == 4 else self.short for number in range(self.jobs)]


@dataclass(frozen=True)
class Times:
    """What a worker is given, in seconds."""

    idle: float
    """Of `--exit-when-idle`."""
    short_drain: float
    long_drain: float
    """The drain window where a pod may finish its job."""

    def drain(self, scaler: Scaler) -> float:
        return self.long_drain if scaler.long_grace else self.short_drain


def simulate(servers: Servers, scaler: Scaler, load: Load, times: Times) -> dict[str, Any]:
    """Run all jobs under a scaler, until all have ended and, unless it is fixed, no pod runs."""
    drain = times.drain(scaler)
    service = ScaledService(servers, drain_seconds=drain, idle_seconds=times.idle)
    start_pod = partial(service.start_pod, exit_when_idle=scaler.exit_when_idle)
    pods = Pods(start_pod, service.busy_pods, drain + GRACE_SECONDS)
    try:
        service.start()
        scaler.begin(pods)
        await_ready(pods)
        begin = time.monotonic()
        memory = run(service, scaler, pods, load)
        seconds = time.monotonic() - begin
        spent = pods.worker_seconds(time.monotonic())
        return figures(service, scaler, pods) | {
            "seconds": round(seconds, 1),
            "worker_seconds": round(spent, 1),
            "pod_resident_mb": memory,
        }
    finally:
        service.close()


def await_ready(pods: Pods) -> None:
    """Wait for the pods that were there before; their time before the first job is free."""
    for pod in pods.all:
        pod.program.await_ready(lambda pod=pod: pod.ready)
    for pod in pods.all:
        pod.started = time.monotonic()


def run(service: ScaledService, scaler: Scaler, pods: Pods, load: Load) -> float | None:
    """Submit the bursts and scale until the end; returns the memory of a pod in MB."""
    memory: float | None = None
    submitter = threading.Thread(target=submit, args=(service, load))
    submitter.start()
    deadline, next_poll = time.monotonic() + LIMIT_SECONDS, 0.0
    while submitter.is_alive() or service.unfinished() or (pods.running and not is_fixed(scaler)):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{scaler.name} did not come to an end: {service.depth()}")
        pods.watch()
        if time.monotonic() >= next_poll:
            next_poll = time.monotonic() + scaler.limits.poll
            scaler.poll(service.depth(), pods)
            memory = memory or measure(pods)
        time.sleep(STEP_SECONDS)
    submitter.join()
    return memory


def is_fixed(scaler: Scaler) -> bool:
    return scaler.name == "fixed"


def measure(pods: Pods) -> float | None:
    """Resident memory of a ready pod: parent, child and what belongs to them."""
    ready = next((pod for pod in pods.wanted if pod.ready), None)
    return None if ready is None else resident_mb(process_tree(ready.program.process.pid))


def submit(service: ScaledService, load: Load) -> None:
    begin = time.monotonic()
    for number in range(load.bursts):
        time.sleep(max(0.0, begin + number * load.gap - time.monotonic()))
        service.submit(load.durations)


def figures(service: ScaledService, scaler: Scaler, pods: Pods) -> dict[str, Any]:
    """What became of the jobs and of the pods."""
    jobs = service.jobs()
    waits = [job.wait for job in jobs if job.wait is not None]
    tenths = quantiles(waits, n=10)
    outcomes = Counter(outcome for job in jobs for outcome in job.outcomes or ())
    return {
        "form": scaler.name,
        "jobs": len(jobs),
        "lost": sum(job.state != "succeeded" for job in jobs),
        "doubled": sum(job.times > 1 for job in jobs),
        "attempts_preempted": outcomes["preempted"],
        "attempts_lost": outcomes["lost"],
        "wasted_seconds": round(service.wasted_seconds(), 1),
        "wait_p50_seconds": round(tenths[4], 2),
        "wait_p90_seconds": round(tenths[8], 2),
        "pods_started": len(pods.all),
        "pods_at_most": pods.peak,
        "pods_removed_busy": pods.removed_busy,
        "pods_killed": pods.killed,
    }
