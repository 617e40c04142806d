"""Autoscaling forms compared: waits of jobs, and how long GPUs would be paid.

A loop of ours reads the view `queue_depth` as KEDA does, and starts and ends real worker processes,
whose model sleeps; the API, maintenance, PostgreSQL and Valkey are real too. Times are shorter than
KEDA's defaults, as the jobs are. Forms: `fixed` (always all pods), `scaled_object` (waiting and
running jobs counted, scale-in removes any pod, which may finish its job),
`scaled_object_short_grace` (which may not), `scaled_object_deletion_cost` (idle ones go first),
`scaled_object_queued_only` (what a trigger on the queue's length does), and `scaled_job` (pods end
by themselves when idle). Prints a report as JSON
on stdout and a line for each form on stderr.
"""

from __future__ import annotations

import argparse
import json
import sys

from bench.machine import machine
from bench.scaling.scalers import FORMS, Limits
from bench.scaling.simulation import Load, Times, simulate
from bench.service.servers import Servers


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.scaling", description=__doc__)
    add = parser.add_argument
    add("--pods", type=int, default=20, help="at most (default 20)")
    add("--bursts", type=int, default=4, help="default 4")
    add("--jobs", type=int, default=125, help="of each burst (default 125)")
    add("--gap", type=float, default=150, help="seconds from burst to burst (default 150)")
    add("--short", type=float, default=2, help="seconds of most jobs (default 2)")
    add("--long", type=float, default=12, help="seconds of each fifth job (default 12)")
    add("--poll", type=float, default=1, help="KEDA's pollingInterval (default 1)")
    add("--stabilization", type=float, default=4, help="before a scale-in (default 4)")
    add("--idle", type=float, default=10, help="--exit-when-idle, and the cooldown (default 10)")
    add("--forms", default=",".join(FORMS), help="default: all")
    given = parser.parse_args()
    limits = Limits(given.pods, given.poll, given.stabilization, cooldown=given.idle)
    load = Load(given.bursts, given.jobs, given.gap, given.short, given.long)
    times = Times(given.idle, short_drain=1, long_drain=given.long + 3)
    results = []
    with Servers() as servers:
        for name in given.forms.split(","):
            results.append(simulate(servers, FORMS[name](limits), load, times))
            print(json.dumps(results[-1]), file=sys.stderr, flush=True)
    report = {"bench": "scaling", "machine": machine(), "settings": vars(given), "forms": results}
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
