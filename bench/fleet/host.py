"""A process of many simulated workers. For each line of its input it prints what it measured."""

from __future__ import annotations

import argparse
import json
import sys
import threading

from celery import Celery

from bench.fleet.worker import Measures, SimulatedWorker
from runtime.logs.program import start_logging
from workers.settings import WorkerSettings


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.fleet.host", description=__doc__)
    parser.add_argument("--name", required=True)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--job-seconds", type=float, required=True)
    parser.add_argument("--gossip", action="store_true")
    options = parser.parse_args()
    settings, measures = WorkerSettings(), Measures()
    start_logging(settings)
    app = Celery("kinomill", broker=settings.redis_url.get_secret_value())
    threading.excepthook = lambda failed: measures.count(
        f"worker ended: {failed.exc_type.__name__}"
    )
    workers = [
        SimulatedWorker(
            f"fleet-{options.name}-{number}@host",
            settings,
            app,
            measures,
            job_seconds=options.job_seconds,
            gossip=options.gossip,
        )
        for number in range(options.workers)
    ]
    for worker in workers:
        worker.start()
    for _ in sys.stdin:
        alive = sum(worker.is_alive() for worker in workers)
        print(json.dumps(measures.take() | {"alive": alive}), flush=True)
    for worker in workers:
        worker.stop()
    for worker in workers:
        worker.join(20)


if __name__ == "__main__":
    main()
