"""An API process with many open streams of events, some of which are read slowly.

Half of the streams follow one job each, half all jobs of the account. First no job changes, then 20
running jobs report progress once a second. Measured from outside: the latency of `/livez`, the
statements that PostgreSQL runs for the API, and the memory of the API. The streams are read by this
program, on the same cores. Prints a report as JSON on stdout.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import time
from statistics import quantiles
from typing import TYPE_CHECKING, Any

from bench import seed_jobs
from bench.machine import loop_ms, machine
from bench.service.contestants import RAISED_LIMITS, Kinomill
from bench.service.servers import Servers
from runtime.database import create_database_engine

if TYPE_CHECKING:
    from sqlalchemy import Engine

RUNNING = 20
"""Jobs that run and report progress."""
OPEN_TOGETHER = 20
PROBE_SECONDS = 0.02
SETTLE_SECONDS = 12
"""PostgreSQL counts the statements of an idle connection up to 10 s later."""
SLOW_BYTES = 64
"""A slow reader takes so many a second."""
_IDS = "SELECT id FROM jobs WHERE state = 'running' ORDER BY id"
_REPORT = """UPDATE jobs SET progress = jsonb_build_object('percent', {percent})
WHERE state = 'running'"""
_COMMITS = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"


class Streaming(Kinomill):
    """Ours, with room for the connections of this benchmark."""

    limits = RAISED_LIMITS | {
        "KINOMILL_MAX_STREAMS": "5000",
        "KINOMILL_MAX_STREAMS_PER_ACCOUNT": "5000",
        "KINOMILL_MAX_CONNECTIONS": "6000",
        "KINOMILL_MAX_CONNECTIONS_PER_ADDRESS": "6000",
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.streams", description=__doc__)
    parser.add_argument("--streams", type=int, default=1000, help="read at once (default 1,000)")
    parser.add_argument("--slow", type=int, default=200, help="read slowly (default 200)")
    parser.add_argument("--seconds", type=float, default=15, help="of each phase (default 15)")
    options = parser.parse_args()
    with Servers() as servers:
        print(
            json.dumps(measure(servers, options.streams, options.slow, options.seconds), indent=2)
        )


def measure(servers: Servers, streams: int, slow: int, seconds: float) -> dict[str, Any]:
    service = Streaming(servers)
    engine = create_database_engine(service.database_url)
    try:
        with engine.begin() as connection:
            seed_jobs.seed(connection, waiting=0, running=RUNNING, succeeded=0)
            job_ids = list(connection.exec_driver_sql(_IDS).scalars())
        api = service.start_api()
        before = api.resident_mb()
        readers = Readers(service, job_ids)
        phases = asyncio.run(readers.measure(engine, streams, slow, seconds))
        after = api.resident_mb()
    finally:
        engine.dispose()
        service.stop()
    return {
        "bench": "streams",
        "machine": machine(),
        "loop_ms": loop_ms(),
        "streams": streams,
        "slow": slow,
        "rss_mb": {"before": before, "after": after},
        "phases": phases,
    }


class Readers:
    """Opens streams and reads them."""

    def __init__(self, service: Streaming, job_ids: list[str]) -> None:
        self._port = service.port
        self._authorization = service.headers["Authorization"]
        self._job_ids = job_ids
        self._opened = 0
        self._bytes = 0

    async def measure(
        self, engine: Engine, streams: int, slow: int, seconds: float
    ) -> dict[str, Any]:
        """Measure three phases: no stream, streams without a change, streams with changes."""
        phases = {"no stream": await self._phase(engine, seconds, changes=False)}
        turns = asyncio.Semaphore(OPEN_TOGETHER)
        reading = [
            asyncio.create_task(self._follow(number, turns, slow=number >= streams))
            for number in range(streams + slow)
        ]
        while self._opened < len(reading):
            failed = [task for task in reading if task.done()]
            if failed:
                await failed[0]
            await asyncio.sleep(0.1)
        await asyncio.sleep(SETTLE_SECONDS)
        phases["no change"] = await self._phase(engine, seconds, changes=False)
        phases["changes"] = await self._phase(engine, seconds, changes=True)
        phases["open at the end"] = sum(not task.done() for task in reading)
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
        return phases

    async def _phase(self, engine: Engine, seconds: float, *, changes: bool) -> dict[str, Any]:
        begin, commits, received = time.monotonic(), _scalar(engine, _COMMITS), self._bytes
        reporting = asyncio.create_task(_report(engine)) if changes else None
        latencies = await self._probe(begin + seconds)
        if reporting is not None:
            reporting.cancel()
            await asyncio.gather(reporting, return_exceptions=True)
        took = time.monotonic() - begin
        # the reports of this program are one commit a second, and so is its own question
        own = (took if changes else 0) + 1
        cuts = quantiles(latencies, n=100)
        return {
            "livez_ms": {"p50": cuts[49], "p99": cuts[98], "max": round(max(latencies), 1)},
            "statements_per_second": round((_scalar(engine, _COMMITS) - commits - own) / took, 1),
            "received_kb_per_second": round((self._bytes - received) / took / 1000),
        }

    async def _follow(self, number: int, turns: asyncio.Semaphore, *, slow: bool) -> None:
        path = f"/v1/jobs/{self._job_ids[number % RUNNING]}/events" if number % 2 else "/v1/events"
        connection = socket.socket()
        if slow:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        async with turns:
            await loop.sock_connect(connection, ("127.0.0.1", self._port))
            reader, writer = await asyncio.open_connection(sock=connection, limit=1024)
            writer.write(self._request(path))
            if not (await reader.readline()).startswith(b"HTTP/1.1 200"):
                raise RuntimeError("a stream was refused")
            await reader.readuntil(b"event: job")
            self._opened += 1
        try:
            while chunk := await reader.read(SLOW_BYTES if slow else 65_536):
                self._bytes += len(chunk)
                if slow:
                    await asyncio.sleep(1)
        finally:
            writer.close()

    async def _probe(self, until: float) -> list[float]:
        """Milliseconds of `/livez` until this time, on one connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        latencies = []
        while time.monotonic() < until:
            begin = time.perf_counter()
            writer.write(self._request("/livez"))
            await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(len(b'{"status":"ok"}'))
            latencies.append(round(1000 * (time.perf_counter() - begin), 2))
            await asyncio.sleep(PROBE_SECONDS)
        writer.close()
        return latencies

    def _request(self, path: str) -> bytes:
        head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {self._authorization}"
        return f"{head}\r\n\r\n".encode()


async def _report(engine: Engine) -> None:
    """Report progress of all running jobs once a second."""
    percent = 0
    while True:
        percent += 1
        await asyncio.to_thread(_run, engine, _REPORT.format(percent=percent % 100))
        await asyncio.sleep(1)


def _run(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)


def _scalar(engine: Engine, statement: str) -> int:
    with engine.begin() as connection:
        return int(connection.exec_driver_sql(statement).scalar_one())


if __name__ == "__main__":
    main()
