"""What hostile requests cost others: latency of `/livez` and peak memory of the API meanwhile.

For each request one caller sends it again and again, each time over a new connection, while another
asks for `/livez` without pause. Prints a report as JSON on stdout, and a line for each request on
stderr.
"""

from __future__ import annotations

import argparse
import http.client
import json
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.hostile_requests.attacks import attacks
from bench.machine import loop_ms, machine
from bench.service.contestants import Kinomill
from bench.service.servers import Servers

if TYPE_CHECKING:
    from collections.abc import Iterator

PAUSE_SECONDS = 0.002
"""Between two requests of `/livez`."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.hostile_requests", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5, help="per request; default 5")
    parser.add_argument("--only", default="", metavar="WORDS", help="requests whose name has WORDS")
    parser.add_argument("--connections", type=int, default=1, help="at once; default 1")
    options = parser.parse_args()
    with Servers() as servers:
        print(json.dumps(measure(servers, options), indent=2))


def measure(servers: Servers, options: argparse.Namespace) -> dict[str, Any]:
    service = Kinomill(servers)
    try:
        api = service.start_api()
        status = Path(f"/proc/{api.process.pid}")
        found = {}
        for name, request in ({"none": b""} | attacks(service.headers)).items():
            if options.only in name or not request:
                (status / "clear_refs").write_text("5")  # the peak begins again
                rest = api.resident_mb()
                figures = _attack(service.port, request, options)
                figures["peak_over_rest_mb"] = round(_peak_mb(status) - rest, 1)
                found[name] = figures
                print(f"{name:28} {figures}", file=sys.stderr)
    finally:
        service.stop()
    return {
        "bench": "hostile_requests",
        "machine": machine(),
        "connections": options.connections,
        "requests": found,
    }


def _attack(port: int, request: bytes, options: argparse.Namespace) -> dict[str, Any]:
    ended, statuses = threading.Event(), []

    def send() -> None:
        while request and not ended.is_set():
            statuses.append(_send(port, request))

    attackers = [threading.Thread(target=send) for _ in range(options.connections)]
    for attacker in attackers:
        attacker.start()
    latencies = sorted(_latencies(port, options.seconds))
    ended.set()
    for attacker in attackers:
        attacker.join()
    return {
        "mb": round(len(request) / 1e6, 2),
        "sent": len(statuses),
        "statuses": sorted(set(statuses)),
        "loop_ms": loop_ms(),
        "livez_p50_ms": round(1000 * latencies[len(latencies) // 2], 1),
        "livez_p99_ms": round(1000 * latencies[int(0.99 * len(latencies))], 1),
        "livez_max_ms": round(1000 * latencies[-1], 1),
    }


def _latencies(port: int, seconds: float) -> Iterator[float]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.perf_counter()
        connection.request("GET", "/livez")
        connection.getresponse().read()
        yield time.perf_counter() - began
        time.sleep(PAUSE_SECONDS)
    connection.close()


def _send(port: int, request: bytes) -> int:
    """Send a request; the status, 0 if the server closed the connection without one."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        with suppress(ConnectionError):
            connection.sendall(request)
        with suppress(ConnectionError):
            head = connection.recv(65_536)
            return int(head.split(b" ", 2)[1]) if head else 0
    return 0


def _peak_mb(process: Path) -> float:
    lines = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) * 1024 / 1e6


if __name__ == "__main__":
    main()
