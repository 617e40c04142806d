"""What a shortest job costs a worker's child: `run_job` in this process, one job after another.

No broker, parent or API takes part. Prints a line of JSON for each round: what the job `makes`,
milliseconds a job by the clock (`wall_ms`), in user and system mode of this process and of its
PostgreSQL backend, the number of flushes to disk and the time spent in them. A video has a poster
beside it, so its line shows what media work adds. `--together` runs the jobs as one message does,
each claimed with the publication of the one before. The load average is in each line: on a busy
machine only processor time and the number of flushes say something.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from datetime import timedelta
from resource import RUSAGE_SELF, getrusage
from typing import Any

from sqlalchemy import text

from bench.process_tree import cpu_seconds
from bench.service.contestants import Kinomill
from bench.service.servers import Servers
from jobs.queue.active_counts import ActiveCounts
from jobs.queue.admission import Limits
from jobs.queue.submission import Submission, SubmissionBatch
from jobs.queue.submission_sql import INSERT
from jobs.states import Outcome
from runtime.database import create_database_engine
from workers.celery_app import set_up_logging
from workers.child.process import ChildProcess
from workers.child.run_job import WorkerContext, run_job, run_jobs
from workers.settings import WorkerSettings
from workers.shared.served_models import served_cards

NO_LIMITS = Limits(10**9, 10**9, timedelta(days=999))
WARM_UP = 30
MAKES = ("text", "video")
WORKER = "bench@host"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.job_cost", description=__doc__)
    parser.add_argument("--jobs", type=int, default=150, help="in each round (default 150)")
    parser.add_argument("--rounds", type=int, default=3, help="default 3")
    parser.add_argument("--together", action="store_true", help="as jobs of one message")
    options = parser.parse_args()
    with Servers() as servers:
        service = Kinomill(servers)
        os.environ.update(service.variables())  # noqa: TID251 - the worker's, as if it had started
        context = worker_context()
        for makes in MAKES:
            submit(service.database_url, WARM_UP, makes)
            run(context, WARM_UP)
        with context.engine.begin() as connection:
            backend = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        for makes in MAKES * options.rounds:
            submit(service.database_url, options.jobs, makes)
            figures = measure(context, options.jobs, backend, together=options.together)
            print(json.dumps({"makes": makes, **figures}), flush=True)
        context.engine.dispose()
        service.stop()


def worker_context() -> WorkerContext:
    settings = WorkerSettings()
    set_up_logging(settings, WORKER)
    return ChildProcess(settings, served_cards(settings)).context(WORKER)


def submit(database_url: str, count: int, makes: str) -> None:
    jobs = [
        Submission("bench", "noop", "noop", {"makes": makes}, body_hash="0" * 64, labels={})
        for _ in range(count)
    ]
    batch = SubmissionBatch(jobs, NO_LIMITS, ActiveCounts())
    engine = create_database_engine(database_url)
    with engine.begin() as connection:
        driver: Any = connection.connection.driver_connection
        batch.settle(driver.execute(INSERT, batch.parameters()).fetchall())
    engine.dispose()


def run(context: WorkerContext, jobs: int, *, together: bool = False) -> None:
    if together:
        run_jobs("noop", context, task_id=None, seconds=math.inf)
        return
    for _ in range(jobs):
        outcome = run_job("noop", context)
        if outcome != Outcome.SUCCEEDED:
            raise RuntimeError(f"a job did not succeed: {outcome}")


def measure(context: WorkerContext, jobs: int, backend: int, *, together: bool) -> dict[str, Any]:
    flushes: list[float] = []
    flush = os.fsync

    def count(descriptor: Any) -> None:
        begin = time.perf_counter()
        flush(descriptor)
        flushes.append(time.perf_counter() - begin)

    os.fsync = count
    begin, used, in_backend = time.perf_counter(), getrusage(RUSAGE_SELF), cpu_seconds(backend)
    run(context, jobs, together=together)
    after = getrusage(RUSAGE_SELF)
    os.fsync = flush
    return {
        "load": round(os.getloadavg()[0], 2),
        "wall_ms": per_job(time.perf_counter() - begin, jobs),
        "user_ms": per_job(after.ru_utime - used.ru_utime, jobs),
        "system_ms": per_job(after.ru_stime - used.ru_stime, jobs),
        "backend_ms": per_job(cpu_seconds(backend) - in_backend, jobs),
        "flushes": round(len(flushes) / jobs, 2),
        "flush_ms": per_job(sum(flushes), jobs),
    }


def per_job(seconds: float, jobs: int) -> float:
    return round(1000 * seconds / jobs, 2)


if __name__ == "__main__":
    main()
