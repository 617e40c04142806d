"""How many pods there should be: the rules of KEDA and of the HPA, with shorter times.

Each scaler is asked at each poll with the depth of the queue, and starts or removes pods.
"""

from __future__ import annotations

import math
import random
import time
from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.scaling.pods import Pod, Pods


@dataclass(frozen=True)
class Depth:
    """A row of the view `queue_depth`."""

    waiting: int
    running: int


@dataclass(frozen=True)
class Limits:
    """Times in seconds; KEDA's defaults are 30 (poll), 300 (stabilization) and 300 (cooldown)."""

    max_pods: int
    poll: float
    stabilization: float
    cooldown: float


class Scaler(ABC):
    """One form of scaling."""

    name: str
    exit_when_idle = False
    """Whether pods end by themselves."""
    long_grace = True
    """Whether a pod that is asked to end may finish its job."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits

    def begin(self, pods: Pods) -> None:  # noqa: B027 - most forms begin with nothing
        """Start what is there before the first job."""

    @abstractmethod
    def poll(self, depth: Depth, pods: Pods) -> None:
        """Look at the queue once."""


class FixedPool(Scaler):
    """Always the most pods."""

    name = "fixed"

    def begin(self, pods: Pods) -> None:
        pods.add(self.limits.max_pods)

    def poll(self, depth: Depth, pods: Pods) -> None:
        pass


class ScaledObject(Scaler):
    """A Deployment with the HPA: a pod a job, queued or running; scale-in removes any pod.

    It follows the highest recommendation of the stabilization window, and goes to zero after the
    cooldown without a job.
    """

    name = "scaled_object"

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits)
        self._recommended: deque[tuple[float, int]] = deque()
        self._active_at = 0.0
        self._chance = random.Random(20)

    def jobs(self, depth: Depth) -> int:
        """What the trigger's query returns."""
        return depth.waiting + depth.running

    def poll(self, depth: Depth, pods: Pods) -> None:
        now, jobs = time.monotonic(), self.jobs(depth)
        if jobs:
            self._active_at = now
        desired = self._stabilized(now, min(self.limits.max_pods, math.ceil(jobs)))
        if not jobs and now - self._active_at < self.limits.cooldown:
            desired = max(desired, min(1, len(pods.wanted)))
        missing = desired - len(pods.wanted)
        pods.add(max(0, missing))
        pods.remove(self.choose(pods, max(0, -missing)))

    def choose(self, pods: Pods, count: int) -> list[Pod]:
        """The pods to remove: whichever."""
        return self._chance.sample(pods.wanted, count)

    def _stabilized(self, now: float, desired: int) -> int:
        self._recommended.append((now, desired))
        while self._recommended[0][0] < now - self.limits.stabilization:
            self._recommended.popleft()
        return max(each for _, each in self._recommended)


class ShortGrace(ScaledObject):
    """The same on a platform that leaves no time to finish a job."""

    name = "scaled_object_short_grace"
    long_grace = False


class DeletionCost(ScaledObject):
    """Scale-in removes idle pods first: busy workers mark theirs (`pod-deletion-cost`)."""

    name = "scaled_object_deletion_cost"
    long_grace = False

    def choose(self, pods: Pods, count: int) -> list[Pod]:
        busy = pods.busy() if count else set()
        return sorted(pods.wanted, key=lambda pod: pod.name in busy)[:count]


class QueuedOnly(ScaledObject):
    """The same by the length of the queue alone, as a trigger on the Redis list counts."""

    name = "scaled_object_queued_only"

    def jobs(self, depth: Depth) -> int:
        return depth.waiting


class ScaledJob(Scaler):
    """KEDA's ScaledJob with the strategy `default`: as many pods as jobs wait or run, less those
    that are there.

    Nothing is removed: pods end when they are idle.
    """

    name = "scaled_job"
    exit_when_idle = True

    def poll(self, depth: Depth, pods: Pods) -> None:
        wanted = min(self.limits.max_pods, depth.waiting + depth.running)
        pods.add(max(0, wanted - len(pods.running)))


FORMS = {
    form.name: form
    for form in (FixedPool, ScaledObject, ShortGrace, DeletionCost, QueuedOnly, ScaledJob)
}
