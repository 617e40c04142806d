"""`python -m tests.soak --jobs 200 --faults 100`: exit status 1 if an invariant is broken."""

from __future__ import annotations

import argparse
import json
import secrets
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path

import structlog
from rich.console import Console
from rich.table import Table

from runtime.logs.configure import configure
from tests.soak.invariants import RULES
from tests.soak.soak import Soak


def read_arguments():
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--jobs", type=int, default=200, help="how many jobs to submit")
    parser.add_argument("--faults", type=int, default=100, help="how often to break something")
    parser.add_argument("--seed", type=int, default=None, help="to break the same things again")
    parser.add_argument("--minutes", type=float, default=30.0, help="give up after so long")
    parser.add_argument(
        "--pooler", action="store_true", help="reach PostgreSQL through PgBouncer, and kill it too"
    )
    parser.add_argument("--json", type=Path, default=None, help="write the report here too")
    return parser.parse_args()


def table(report):
    """The report as a table."""
    seconds = f"{report.seconds:.0f} s"
    title = f"{report.jobs} jobs, {sum(report.faults.values())} faults, {seconds}"
    table = Table(title=f"{title}, seed {report.seed}", title_justify="left")
    table.add_column("invariant")
    table.add_column("breaches", justify="right")
    for rule, number in report.broken.items():
        table.add_row(RULES[rule], str(number), style="red" if number else None)
    table.add_section()
    for name in ("faults", "states", "attempts"):
        for kind, number in getattr(report, name).items():
            table.add_row(f"{name}: {kind}", str(number))
    table.add_row("webhooks accepted", str(report.webhooks))
    table.add_row("orphans swept", str(report.orphans_swept))
    table.add_row("longest overdue lease, s", f"{report.longest_overdue_seconds:.1f}")
    return table


def main():
    arguments = read_arguments()
    configure(log_format="console", level="ERROR")
    structlog.configure(cache_logger_on_first_use=False)
    seed = secrets.randbelow(1_000_000) if arguments.seed is None else arguments.seed
    console, start = Console(stderr=True, highlight=False), time.monotonic()

    def say(event, **fields):
        words = " ".join(f"{name}={value}" for name, value in fields.items())
        console.print(f"{time.monotonic() - start:6.1f} {event} {words}", markup=False)

    say("soak", jobs=arguments.jobs, faults=arguments.faults, seed=seed)
    soak = Soak(
        jobs=arguments.jobs,
        faults=arguments.faults,
        seed=seed,
        seconds=60 * arguments.minutes,
        say=say,
        pooled=arguments.pooler,
    )
    report = soak.run()
    Console().print(table(report))
    text = json.dumps(asdict(report), indent=2)
    sys.stdout.write(text + "\n")
    if arguments.json is not None:
        arguments.json.write_text(text)
    return 0 if report.good else 1


def interrupt(*_):
    """End the soak at the first signal, and ignore later ones during cleanup."""
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, interrupt)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
