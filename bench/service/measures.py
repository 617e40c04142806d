"""What is measured of a contestant: requests, single jobs, and jobs per second."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from bench.load.__main__ import percentile
from bench.load.http import Client, follow
from bench.service.contestants import BODY, JOB_SECONDS

if TYPE_CHECKING:
    import argparse

    from bench.service.contestants import Contestant
    from bench.service.programs import Program
    from bench.service.servers import Servers

CONNECTIONS = (1, 16)
WARM_UP_SECONDS = 0.5
POLL = ("", 0.002)
WAIT = ("?wait=30", 0)
"""How a job is read: the query of the URL, and the pause between two reads."""
WARM_UP_JOBS = 5
WORKERS = (1, 2, 4)
SAMPLE_SECONDS = 0.02
DRAIN_SECONDS = 180


def measure_requests(
    contestant: Contestant, servers: Servers, options: argparse.Namespace
) -> dict[str, Any]:
    """POST and GET under load; no worker runs meanwhile."""
    api = contestant.start_api()
    figures: dict[str, Any] = {"rss_ready_mb": api.resident_mb()}
    workers = contestant.start_workers(1)
    ended = contestant.run_job()
    contestant.stop(workers)
    client = Client(contestant.url, contestant.headers)
    queued = client.call("POST", "/v1/jobs", BODY.encode())[1]["id"]
    acts = {
        "post": ("POST", "/v1/jobs", BODY),
        "get_queued": ("GET", f"/v1/jobs/{queued}", ""),
        "get_ended": ("GET", f"/v1/jobs/{ended}", ""),
    }
    for name, request in acts.items():
        figures |= load(name, request, contestant, api, servers, options.seconds)
    return figures | {"rss_mb": api.resident_mb()}


def load(
    name: str,
    request: tuple[str, str, str],
    contestant: Contestant,
    api: Program,
    servers: Servers,
    seconds: float,
) -> dict[str, Any]:
    """One request on each number of connections: its rate, latency, and CPU time of the API."""
    figures: dict[str, Any] = {}
    sent = api_cpu = server_cpu = 0.0
    generate(contestant, *request, connections=CONNECTIONS[-1], seconds=WARM_UP_SECONDS)
    for connections in CONNECTIONS:
        before = api.cpu_seconds(), servers.cpu_seconds()
        found = generate(contestant, *request, connections=connections, seconds=seconds)
        sent += found["requests"]
        api_cpu += api.cpu_seconds() - before[0]
        server_cpu += servers.cpu_seconds() - before[1]
        for figure in ("rps", "p50_ms", "p99_ms", "bad", "generator_cpu"):
            figures[f"{name}_c{connections}_{figure}"] = found[figure]
    figures[f"{name}_api_cpu_ms"] = round(1000 * api_cpu / sent, 3)
    figures[f"{name}_servers_cpu_ms"] = round(1000 * server_cpu / sent, 3)
    return figures


def generate(
    contestant: Contestant, method: str, path: str, body: str, **limits: float
) -> dict[str, Any]:
    """Run the load generator in a process of its own."""
    command = [sys.executable, "-m", "bench.load", contestant.url + path, "--method", method]
    for name, value in contestant.headers.items():
        command += ["--header", f"{name}={value}"]
    for name, limit in limits.items():
        command += [f"--{name}", str(limit)]
    done = subprocess.run([*command, "--body", body], stdout=subprocess.PIPE, check=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def measure_jobs(
    contestant: Contestant, servers: Servers, options: argparse.Namespace
) -> dict[str, Any]:
    """One job after another: the time from its submission until its success is seen."""
    api = contestant.start_api()
    programs = [api, *contestant.start_workers(1)]
    client = Client(contestant.url, contestant.headers)
    figures = single_jobs("poll", client, POLL, programs, servers, options.jobs)
    if contestant.has_wait:
        figures |= single_jobs("wait", client, WAIT, programs, servers, options.jobs)
    return figures


def single_jobs(
    name: str,
    client: Client,
    reading: tuple[str, float],
    programs: list[Program],
    servers: Servers,
    jobs: int,
) -> dict[str, Any]:
    for _ in range(WARM_UP_JOBS):
        one_job(client, *reading)
    before = sum(program.cpu_seconds() for program in programs), servers.cpu_seconds()
    times = sorted(one_job(client, *reading) for _ in range(jobs))
    cpu = sum(program.cpu_seconds() for program in programs) - before[0]
    return {
        f"job_{name}_p50_ms": percentile(times, 0.5),
        f"job_{name}_p99_ms": percentile(times, 0.99),
        f"job_{name}_cpu_ms": round(1000 * cpu / jobs, 2),
        f"job_{name}_servers_cpu_ms": round(1000 * (servers.cpu_seconds() - before[1]) / jobs, 2),
    }


def one_job(client: Client, query: str, pause: float) -> float:
    """Submit a job and read it until it has succeeded; returns seconds."""
    begin = time.perf_counter()
    status, job = client.call("POST", "/v1/jobs", BODY.encode())
    if status >= 300:
        raise RuntimeError(f"a job was refused: {job}")
    follow(client, job["id"], query=query, pause=pause, limit=JOB_SECONDS)
    return time.perf_counter() - begin


def measure_throughput(
    contestant: Contestant, servers: Servers, options: argparse.Namespace
) -> dict[str, Any]:
    """Jobs per second of each number of workers, which find their jobs waiting."""
    contestant.start_api()
    return {
        f"jobs_per_second_{count}": drain(contestant, servers, count, options.backlog)
        for count in options.workers
    }


def drain(contestant: Contestant, servers: Servers, count: int, backlog: int) -> float:
    """Suspend ready workers, submit jobs, resume the workers, and time the end of the last job."""
    programs = contestant.start_workers(count)
    for program in programs:
        program.suspend()
    found = generate(
        contestant,
        "POST",
        "/v1/jobs",
        BODY,
        connections=CONNECTIONS[-1],
        count=backlog,
        seconds=120,
    )
    if found["bad"] or found["requests"] < backlog:
        raise RuntimeError(f"{contestant.name} did not accept {backlog} jobs: {found}")
    query = contestant.count_succeeded()
    before = servers.query(query, contestant.database_url)
    begin = time.perf_counter()
    for program in programs:
        program.resume()
    while servers.query(query, contestant.database_url) < before + backlog:
        if time.perf_counter() - begin > DRAIN_SECONDS:
            raise TimeoutError(f"{contestant.name} did not finish {backlog} jobs")
        time.sleep(SAMPLE_SECONDS)
    seconds = time.perf_counter() - begin
    contestant.stop(programs)
    return round(backlog / seconds, 1)
