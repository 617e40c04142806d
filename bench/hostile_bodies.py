"""What hostile bodies cost other callers: latency of `/livez` and peak memory of the API meanwhile.

For each body one caller sends it again and again, over one connection each time, while another
asks for `/livez` without pause. Prints a report as JSON on stdout.
"""

from __future__ import annotations

import argparse
import http.client
import json
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.machine import machine
from bench.service.contestants import Kinomill
from bench.service.servers import Servers

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA_URI = b"data:image/png;base64,"
LIMIT_BYTES = 16_000_000
PAUSE_SECONDS = 0.002
"""Between two requests of `/livez`."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.hostile_bodies", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5, help="per body; default 5")
    options = parser.parse_args()
    with Servers() as servers:
        print(json.dumps(measure(servers, options.seconds), indent=2))


def bodies() -> dict[str, bytes]:
    """A body that would take long for each step: parse, check, decode, and find errors."""
    return {
        "none": b"",
        "60,000 zeros at depth 800": _input(b"[" * 800 + b",".join([b"0"] * 60_000) + b"]" * 800),
        "19,500 items": _input(json.dumps([0] * 19_500).encode()),
        "78 objects of 250 members": _input(
            json.dumps([{str(i): i for i in range(250)}] * 78).encode()
        ),
        "250 objects of 78 members": _body(
            json.dumps({str(n): {str(i): i for i in range(78)} for n in range(250)}).encode()
        ),
        "20,000 members": _input(json.dumps({str(i): i for i in range(19_000)}).encode()),
        "20,000 fields": _body(json.dumps({str(i): i for i in range(19_000)}).encode()),
        "1 MB of escapes": _input(b'"' + b"\\u0041" * 166_000 + b'"'),
        "16 MB of zeros": _input(b"[" + b"0," * 7_900_000 + b"0]"),
        "16 MB of quotes": _input(b'"' + b'\\"' * 7_900_000 + b'"'),
        "16 MB data URI": _input(b'"' + DATA_URI + b"iVBORw0KGgo" + b"A" * 15_900_001 + b'"'),
        "16 MB of spaces": _input(b" " * 15_900_000 + b"0"),
    }


def measure(servers: Servers, seconds: float) -> dict[str, Any]:
    service = Kinomill(servers)
    try:
        api = service.start_api()
        status = Path(f"/proc/{api.process.pid}")
        found = {}
        for name, body in bodies().items():
            (status / "clear_refs").write_text("5")  # the peak begins again
            rest = api.resident_mb()
            figures = _attack(service, body, seconds)
            figures["peak_over_rest_mb"] = round(_peak_mb(status) - rest, 1)
            found[name] = figures
    finally:
        service.stop()
    return {"bench": "hostile_bodies", "machine": machine(), "bodies": found}


def _attack(service: Kinomill, body: bytes, seconds: float) -> dict[str, Any]:
    ended, statuses = threading.Event(), []

    def send() -> None:
        while body and not ended.is_set():
            statuses.append(_post(service, body))

    attacker = threading.Thread(target=send)
    attacker.start()
    latencies = sorted(_latencies(service.port, seconds))
    ended.set()
    attacker.join()
    return {
        "body_mb": round(len(body) / 1e6, 2),
        "posts": len(statuses),
        "statuses": sorted(set(statuses)),
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


def _post(service: Kinomill, body: bytes) -> int:
    """Send a body; the status, 0 if the server closed the connection before the end of the body."""
    headers = service.headers | {"Content-Type": "application/json"}
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)
    try:
        connection.request("POST", "/v1/jobs", body, headers)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def _peak_mb(process: Path) -> float:
    lines = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) * 1024 / 1e6


def _body(fields: bytes) -> bytes:
    return b'{"model": "noop", "input": ' + fields + b"}"


def _input(value: bytes) -> bytes:
    return _body(b'{"prompt": ' + value + b"}")


if __name__ == "__main__":
    main()
