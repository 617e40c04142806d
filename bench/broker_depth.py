"""The broker while many jobs wait: messages and bytes over time, and the wait of an urgent job.

Jobs wait in PostgreSQL, and workers that need half a second for each consume a few. A message is
only a wake-up, so the broker must hold a bounded number of them, however long the queue is and
however long it waits (`depth`). Then interactive jobs are submitted behind an even longer queue:
`claimed_before` says how many other jobs were claimed between the submission of one and its claim
(`interactive`). Prints a report as JSON on stdout and a line for each sample on stderr.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from typing import Any

from redis import Redis

from bench.load.http import Client, follow
from bench.machine import machine
from bench.queue_scaling.database import maintain
from bench.service.contestants import Kinomill
from bench.service.measures import generate
from bench.service.servers import Servers

JOB_SECONDS = 0.5
SAMPLE_SECONDS = 1.0
INTERACTIVE_JOBS = 5
LIMIT_SECONDS = 300
QUEUE = "noop"
CLAIMED_BEFORE = """
SELECT count(*) FROM attempts, jobs
WHERE jobs.id = '{job_id}' AND attempts.job_id <> jobs.id
AND attempts.started_at BETWEEN jobs.created_at AND jobs.started_at
"""
MULTIPLY = """
INSERT INTO jobs
SELECT copy.*
FROM jobs AS template
CROSS JOIN generate_series(1, {count}) AS n
CROSS JOIN LATERAL jsonb_populate_record(template, jsonb_build_object('id',
    'job_' || lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0') || '7'
    || substr(md5(n::text), 14))) AS copy
WHERE template.id = (SELECT min(id) FROM jobs)
"""
"""Copies of a job that was submitted, in one statement."""
SUBMITTED = 200
"""So many of the waiting jobs are submitted, with their messages."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.broker_depth", description=__doc__)
    add = parser.add_argument
    add("--waiting", type=int, default=10_000, help="jobs while the depth is read (10,000)")
    add("--behind", type=int, default=100_000, help="jobs ahead of the interactive ones (100,000)")
    add("--workers", type=int, default=2, help="default 2")
    add("--seconds", type=float, default=120, help="how long the depth is read (default 120)")
    options = parser.parse_args()
    with Servers() as servers:
        depth = with_service(servers, options.waiting, options.workers, options.seconds, 0)
        interactive = with_service(servers, options.behind, options.workers, 0, INTERACTIVE_JOBS)
    report = {
        "bench": "broker_depth",
        "machine": machine(),
        "waiting": options.waiting,
        "behind": options.behind,
        "workers": options.workers,
        "depth": depth["depth"],
        "interactive": interactive["interactive"],
    }
    print(json.dumps(report, indent=2))


def with_service(
    servers: Servers, waiting: int, workers: int, seconds: float, interactive: int
) -> dict[str, Any]:
    """Start everything on a database with waiting jobs; read the depth, then submit jobs."""
    service = Kinomill(servers)
    try:
        service.start_api()
        fill(service, waiting)
        service.start_workers(workers)
        return {
            "depth": read_depth(servers.redis_url, seconds) if seconds else None,
            "interactive": [submit_interactive(servers, service) for _ in range(interactive)],
        }
    finally:
        service.stop()


def fill(service: Kinomill, waiting: int) -> None:
    """Submit some jobs and multiply one of them in the database."""
    body = json.dumps({"model": "noop", "input": {"pause_seconds": JOB_SECONDS}})
    submitted = min(waiting, SUBMITTED)
    found = generate(
        service, "POST", "/v1/jobs", body, connections=16, count=submitted, seconds=600
    )
    if found["bad"] or found["requests"] < submitted:
        raise RuntimeError(f"not all jobs were accepted: {found}")
    maintain(service.database_url, MULTIPLY.format(count=waiting - submitted))
    maintain(service.database_url, "VACUUM ANALYZE")


def read_depth(redis_url: str, seconds: float) -> dict[str, Any]:
    """Sample the broker: the highest and the last number of messages and bytes."""
    samples = []
    begin = time.monotonic()
    with Redis.from_url(redis_url) as redis:
        while (elapsed := time.monotonic() - begin) < seconds:
            samples.append({"seconds": round(elapsed, 1), **broker_figures(redis)})
            print(json.dumps(samples[-1]), file=sys.stderr, flush=True)
            time.sleep(SAMPLE_SECONDS)
    figures = ("messages", "bytes")
    return {
        **{f"max_{figure}": max(sample[figure] for sample in samples) for figure in figures},
        **{f"last_{figure}": samples[-1][figure] for figure in figures},
        "samples": samples,
    }


def broker_figures(redis: Redis) -> dict[str, int]:
    """Messages that wait or are not acknowledged yet, and the memory of all data."""
    lists = [key for key in redis.keys(f"{QUEUE}*") if redis.type(key) == b"list"]
    waiting = sum(redis.llen(key) for key in lists)
    return {
        "messages": waiting + redis.hlen("unacked"),
        "bytes": redis.info("memory")["used_memory_dataset"],
    }


def submit_interactive(servers: Servers, service: Kinomill) -> dict[str, Any]:
    """Submit a job of the highest priority; count what was claimed before it."""
    client = Client(service.url, service.headers)
    body = json.dumps({"model": "noop", "input": {}, "priority": "interactive"}).encode()
    begin = time.perf_counter()
    job_id = client.call("POST", "/v1/jobs", body)[1]["id"]
    follow(client, job_id, query="?wait=30", pause=0, limit=LIMIT_SECONDS)
    seconds = time.perf_counter() - begin
    before = servers.query(CLAIMED_BEFORE.format(job_id=job_id), service.database_url)
    return {"claimed_before": before, "seconds": round(seconds, 3), "load": os.getloadavg()[0]}


if __name__ == "__main__":
    main()
