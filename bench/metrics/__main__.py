"""What metrics cost the API: CPU of a request with metrics on, and without, side by side.

Two API processes, each with a database of its own, of which one has KINOMILL_METRICS. Each gets
the same requests one after another, in batches that alternate, so that other load on the machine is
the same for both. Prints microseconds of CPU a request and their ratio (median over the rounds),
the memory of both, and the CPU and memory of scrapes.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from bench.load.http import Client, build_request
from bench.machine import machine
from bench.service.contestants import BODY, Kinomill
from bench.service.servers import Servers

if TYPE_CHECKING:
    from bench.service.programs import Program

WARM_UP = 200
SCRAPES = 20


class Measured(Kinomill):
    """An API with metrics. It has them counted even while nobody scrapes."""

    def variables(self) -> dict[str, str]:
        return super().variables() | {"KINOMILL_METRICS": "true"}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.metrics",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=7, help="default 7")
    parser.add_argument("--requests", type=int, default=1500, help="of a batch (default 1500)")
    options = parser.parse_args()
    with Servers() as servers:
        off, on = Kinomill(servers), Measured(servers)
        try:
            print(json.dumps(measure(off, on, options), indent=2))
        finally:
            on.stop()
            off.stop()


def measure(off: Kinomill, on: Kinomill, options: argparse.Namespace) -> dict[str, Any]:
    apis = [(each, each.start_api()) for each in (off, on)]
    report: dict[str, Any] = {"bench": "metrics", "machine": machine(), "load": os.getloadavg()}
    for name, (method, path, body) in requests_of(off, on).items():
        figures: list[list[float]] = [[], []]
        for number in range(options.rounds + 1):
            count = options.requests if number else WARM_UP
            for side in (0, 1) if number % 2 else (1, 0):
                service, api = apis[side]
                figures[side].append(cpu_us(service, api, (method, path[side], body), count))
        before, after = (median(values[1:]) for values in figures)
        ratios = [b / a for a, b in zip(figures[0][1:], figures[1][1:], strict=True)]
        report[name] = {
            "off_us": round(before, 1),
            "on_us": round(after, 1),
            "ratio": round(median(ratios), 4),
        }
    resident = [api.resident_mb() for _, api in apis]
    report["scrape_us"] = round(cpu_us(on, apis[1][1], ("GET", "/metrics", ""), SCRAPES))
    report["rss_mb"] = {
        "off": resident[0], "on": resident[1], "scraped": apis[1][1].resident_mb()
    }  # fmt: skip
    return report


def requests_of(*services: Kinomill) -> dict[str, tuple[str, list[str], str]]:
    """Method, path for each service, and body of what is measured."""
    jobs = [Client(each.url, each.headers) for each in services]
    ids = [client.call("POST", "/v1/jobs", BODY.encode())[1]["id"] for client in jobs]
    for client in jobs:
        client.close()
    return {
        "get": ("GET", [f"/v1/jobs/{job_id}" for job_id in ids], ""),
        "post": ("POST", ["/v1/jobs"] * 2, BODY),
        "livez": ("GET", ["/livez"] * 2, ""),
    }


def cpu_us(service: Kinomill, api: Program, request: tuple[str, str, str], count: int) -> float:
    """Microseconds of the API's CPU for each of `count` requests on one connection."""
    method, path, body = request
    client = Client(service.url, service.headers)
    sent = build_request(method, service.url + path, body.encode(), service.headers)
    before = cpu_ns(api)
    for _ in range(count):
        client.send(sent)
    spent = cpu_ns(api) - before
    client.close()
    return spent / 1000 / count


def cpu_ns(api: Program) -> int:
    """CPU time of all threads in nanoseconds, as the scheduler counts it."""
    threads = Path(f"/proc/{api.process.pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads)


if __name__ == "__main__":
    main()
