"""Send one request again and again on some connections, each waiting for its response.

Prints JSON: requests per second, latency in ms, responses by status, responses that are not 2xx
(`bad`), and the share of a core that this program itself used. On loopback it drives over 15,000
requests per second, so a Python server is the limit.
"""

from __future__ import annotations

import argparse
import gc
import json
import selectors
import time
from collections import Counter
from http import HTTPStatus
from typing import Any

from bench.load.http import RECEIVE_BYTES, ResponseReader, build_request, connect

UNLIMITED = 1_000_000_000


class Connection:
    """A connection with the request that is on its way."""

    def __init__(self, url: str, request: bytes, selector: selectors.BaseSelector) -> None:
        self._url, self._request, self._selector = url, request, selector
        self._open()

    def send(self) -> None:
        """Send the request and start its clock."""
        self.sent_at = time.perf_counter()
        self.socket.sendall(self._request)

    def receive(self) -> int | None:
        """The status of the response, once it is complete; 0 if the server closed."""
        data = self.socket.recv(RECEIVE_BYTES)
        if not data:
            self._selector.unregister(self.socket)
            self.socket.close()
            self._open()
            return 0
        return self._reader.status if self._reader.feed(data) else None

    def _open(self) -> None:
        self.socket = connect(self._url)
        self._reader = ResponseReader()
        self._selector.register(self.socket, selectors.EVENT_READ, self)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--method", default="GET")
    parser.add_argument("--body", default="")
    parser.add_argument("--header", action="append", default=[], help="NAME=VALUE, repeatable")
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--count", type=int, default=UNLIMITED, help="end after this many")
    options = parser.parse_args()
    headers = dict(header.split("=", 1) for header in options.header)
    request = build_request(options.method, options.url, options.body.encode(), headers)
    print(json.dumps(drive(request, options)))


def drive(request: bytes, options: argparse.Namespace) -> dict[str, Any]:
    """Send requests until the time or their number is used up."""
    selector = selectors.DefaultSelector()
    connections = [
        Connection(options.url, request, selector)
        for _ in range(min(options.connections, options.count))
    ]
    gc.disable()
    begin, cpu = time.perf_counter(), time.process_time()
    for connection in connections:
        connection.send()
    latencies, statuses = exchange(
        selector, to_send=options.count - len(connections), deadline=begin + options.seconds
    )
    seconds = time.perf_counter() - begin
    return summary(latencies, statuses, seconds) | {
        "generator_cpu": round((time.process_time() - cpu) / seconds, 3)
    }


def exchange(
    selector: selectors.BaseSelector, *, to_send: int, deadline: float
) -> tuple[list[float], Counter[int]]:
    """Answer each response with the next request; returns latencies in seconds, and statuses.

    Requests under way at the deadline are not counted.
    """
    latencies: list[float] = []
    statuses: Counter[int] = Counter()
    waiting = len(selector.get_map())
    while waiting and time.perf_counter() < deadline:
        for key, _ in selector.select(0.1):
            connection: Connection = key.data
            status = connection.receive()
            if status is None:
                continue
            latencies.append(time.perf_counter() - connection.sent_at)
            statuses[status] += 1
            if to_send > 0:
                to_send -= 1
                connection.send()
            else:
                waiting -= 1
    return latencies, statuses


def summary(latencies: list[float], statuses: Counter[int], seconds: float) -> dict[str, Any]:
    ordered = sorted(latencies)
    good = sum(
        count
        for status, count in statuses.items()
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES
    )
    return {
        "requests": len(ordered),
        "seconds": round(seconds, 3),
        "rps": round(len(ordered) / seconds, 1),
        "p50_ms": percentile(ordered, 0.5),
        "p99_ms": percentile(ordered, 0.99),
        "bad": len(ordered) - good,
        "statuses": {str(status): count for status, count in sorted(statuses.items())},
    }


def percentile(ordered: list[float], share: float) -> float:
    """In ms; 0 without any value."""
    if not ordered:
        return 0.0
    return round(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3)


if __name__ == "__main__":
    main()
