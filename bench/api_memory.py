"""Memory of the API over many submissions: resident size after each tenth of them.

The API keeps nothing of a job after its response, so the size after the first tenth and after the
last one must be about the same. The jobs stay queued; no worker runs. Prints a report as JSON on
stdout and a line for each tenth on stderr.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import Any

from bench.machine import machine
from bench.service.contestants import BODY, Kinomill
from bench.service.measures import generate
from bench.service.servers import Servers

SAMPLES = 10
CONNECTIONS = 16
WARM_UP = 500
"""Submissions before the first figure: pools and caches fill."""
LIMIT_SECONDS = 3600


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.api_memory", description=__doc__)
    parser.add_argument("--submits", type=int, default=100_000, help="default 100,000")
    options = parser.parse_args()
    with Servers() as servers:
        print(json.dumps(measure(servers, options.submits), indent=2))


def measure(servers: Servers, submits: int) -> dict[str, Any]:
    service = Kinomill(servers)
    try:
        api = service.start_api()
        submit(service, WARM_UP)
        sizes = [api.resident_mb()]
        for sample in range(1, SAMPLES + 1):
            rate = submit(service, submits // SAMPLES)
            sizes.append(api.resident_mb())
            figures = {"submits": sample * submits // SAMPLES, "rss_mb": sizes[-1], "rps": rate}
            load = round(os.getloadavg()[0], 2)
            print(json.dumps(figures | {"load": load}), file=sys.stderr, flush=True)
    finally:
        service.stop()
    return {
        "bench": "api_memory",
        "machine": machine(),
        "submits": submits,
        "rss_mb": sizes,
        "last_over_first": round(sizes[-1] / sizes[1], 3),
        "bytes_per_submit": round(1e6 * (sizes[-1] - sizes[1]) / (submits * (1 - 1 / SAMPLES))),
    }


def submit(service: Kinomill, count: int) -> float:
    """Submit jobs; returns how many per second. Raises `RuntimeError` if one is refused."""
    found = generate(
        service,
        "POST",
        "/v1/jobs",
        BODY,
        connections=CONNECTIONS,
        count=count,
        seconds=LIMIT_SECONDS,
    )
    if found["bad"] or found["requests"] < count:
        raise RuntimeError(f"not all jobs were accepted: {found}")
    return float(found["rps"])


if __name__ == "__main__":
    main()
