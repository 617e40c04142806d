"""Ours without and with traces and metrics: both run at once, and their requests take turns.

On a shared machine the CPU time of a request changes by a third from minute to minute, so only
bursts that follow each other can be compared. Two processes of the same code differ by 3 %, by the
luck of where their memory lies, so each round starts new ones. Processor time of the API's process
tree.
"""

from __future__ import annotations

import os
import sys
from statistics import median
from typing import TYPE_CHECKING, Any

from bench.load.http import Client
from bench.service.contestants import BODY, Kinomill, KinomillTelemetry
from bench.service.measures import CONNECTIONS, generate

if TYPE_CHECKING:
    from bench.service.programs import Program
    from bench.service.servers import Servers

ACTS = ("post", "get_queued", "get_ended")
BURSTS = 3
"""Of each act and side in a round."""


class Side:
    """One of the two: its API, and what is asked of it."""

    def __init__(self, contestant: Kinomill) -> None:
        self.name = contestant.name
        self._contestant = contestant
        self._api: Program = contestant.start_api()
        workers = contestant.start_workers(1)
        ended = contestant.run_job()
        contestant.stop(workers)
        client = Client(contestant.url, contestant.headers)
        queued = client.call("POST", "/v1/jobs", BODY.encode())[1]["id"]
        client.close()
        self._requests = {
            "post": ("POST", "/v1/jobs", BODY),
            "get_queued": ("GET", f"/v1/jobs/{queued}", ""),
            "get_ended": ("GET", f"/v1/jobs/{ended}", ""),
        }

    def cpu_ms(self, act: str, count: int) -> float:
        """Milliseconds of CPU a request, of a burst."""
        before = self._api.cpu_seconds()
        found = generate(
            self._contestant,
            *self._requests[act],
            connections=CONNECTIONS[-1],
            count=count,
            seconds=120,
        )
        if found["bad"]:
            raise RuntimeError(f"{self.name} refused requests: {found}")
        return 1000 * (self._api.cpu_seconds() - before) / found["requests"]

    def stop(self) -> None:
        self._contestant.stop()


def compare(servers: Servers, *, rounds: int, requests: int) -> dict[str, Any]:
    """Medians of each side, and the median of the ratios of bursts that followed each other."""
    bursts: dict[str, list[tuple[float, float]]] = {act: [] for act in ACTS}
    loads = []
    for number in range(rounds):
        sides = [Side(Kinomill(servers)), Side(KinomillTelemetry(servers))]
        for act in ACTS:
            for side in sides:
                side.cpu_ms(act, requests // 4)  # warm up
            for burst in range(BURSTS):
                order = sides[:: -1 if (number + burst) % 2 else 1]
                found = {side.name: side.cpu_ms(act, requests) for side in order}
                bursts[act].append((found[sides[0].name], found[sides[1].name]))
                loads.append(os.getloadavg()[0])
                print(number, act, found, loads[-1], file=sys.stderr, flush=True)
        for side in sides:
            side.stop()
    context = {"rounds": rounds, "requests": requests, "load": [min(loads), max(loads)]}
    return context | {act: _figures(pairs) for act, pairs in bursts.items()}


def _figures(pairs: list[tuple[float, float]]) -> dict[str, float]:
    return {
        "off_cpu_ms": round(median(off for off, _ in pairs), 3),
        "on_cpu_ms": round(median(on for _, on in pairs), 3),
        "on_to_off": round(median(on / off for off, on in pairs), 3),
        "on_to_off_of_sums": round(sum(on for _, on in pairs) / sum(off for off, _ in pairs), 3),
    }
