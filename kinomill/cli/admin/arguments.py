"""The arguments of the operator's commands, and what `--help` says about them."""

from __future__ import annotations

import datetime as dt
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING

from kinomill.cli.parser import duration_seconds, whole_number

if TYPE_CHECKING:
    from kinomill.cli.parser import Parser

_SCOPE = "Acts need a key of scope admin in KINOMILL_KEY, unless the server runs without keys."


def add_queues(parser: Parser) -> None:
    """Add the arguments."""
    parser.explain(f"""
    list     (default) waiting, running and held jobs, workers, the oldest job, the wait, a pause
    pause    let no job of MODEL begin: running jobs go on, new ones are accepted and wait
    resume   let them begin again
    purge    cancel the waiting jobs of MODEL, with their webhooks; asks first, unless --yes
    requeue  run the failed jobs of MODEL again, once each

    {_SCOPE}

    Examples: kinomill queues pause wav2lip --reason "new weights"
              kinomill queues requeue wav2lip --code worker_lost --since 24h
    """)
    add = parser.add_argument
    acts = ("list", "pause", "resume", "purge", "requeue")
    add("act", metavar="ACT", nargs="?", choices=acts, default="list", help=", ".join(acts))
    add("model", metavar="MODEL", nargs="?", help="Name of a model; all acts but list need it.")
    add("--reason", metavar="TEXT", default="", help="Why it is paused; callers see it.")
    add("--account", metavar="NAME", help="purge, requeue: only the jobs of this account.")
    add("--code", metavar="CODE", help="requeue: only jobs that failed with this code.")
    add(
        "--since",
        metavar="TIME",
        type=moment,
        help="requeue: jobs that ended since then: 24h ago (24h), or 2026-11-29T06:00+00:00.",
    )
    add("--until", metavar="TIME", type=moment, help="requeue: and before then. Default: now.")
    add("--yes", action="store_true", help="purge: do not ask.")
    parser.add_json()


def add_workers(parser: Parser) -> None:
    """Add the arguments."""
    parser.explain(f"""
    list    (default) the registered workers
    drain   let worker NAME take no job; it finishes its own, and goes on running
    resume  let it take jobs again

    {_SCOPE}

    Example: kinomill workers drain kinomill@host-gpu0-5e0c91d7
    """)
    acts = ("list", "drain", "resume")
    add = parser.add_argument
    add("act", metavar="ACT", nargs="?", choices=acts, default="list", help=", ".join(acts))
    add("name", metavar="NAME", nargs="?", help="Name of a worker; drain and resume need it.")
    parser.add_json()


def add_maintenance_mode(parser: Parser) -> None:
    """Add the arguments."""
    parser.explain(f"""
    status  (default) whether submissions are refused
    on      refuse submissions with 503 and Retry-After; reads and workers go on
    off     accept them again

    {_SCOPE}
    """)
    acts = ("status", "on", "off")
    add = parser.add_argument
    add("act", metavar="ACT", nargs="?", choices=acts, default="status", help=", ".join(acts))
    add("--reason", metavar="TEXT", default="", help="Shown to callers who are refused.")
    add(
        "--retry-after",
        metavar="TIME",
        type=duration_seconds,
        default=300,
        help="When they should try again: seconds, or e.g. 10m. Default: 5m.",
    )
    parser.add_json()


def add_accounts(parser: Parser) -> None:
    """Add the arguments."""
    parser.explain(f"""
    erase   delete the keys, jobs, uploaded files, results, batches and quotas of ACCOUNT for good,
            and say how many; asks first, unless --yes. Usage and the audit log stay.

    {_SCOPE}

    Example: kinomill accounts erase team-a --yes
    """)
    add = parser.add_argument
    add("act", metavar="ACT", choices=("erase",), help="erase")
    add("account", metavar="ACCOUNT", help="Name of an account.")
    add("--yes", action="store_true", help="Do not ask.")
    add(
        "--timeout",
        metavar="SECONDS",
        type=duration_seconds,
        default=60.0,
        help="How long to wait for running jobs to stop. Default: 60.",
    )
    parser.add_json()


def add_limits(parser: Parser) -> None:
    """Add the arguments."""
    parser.explain(f"""
    list    (default) the accounts that have quotas
    show    the quotas of ACCOUNT
    set     set all quotas of ACCOUNT: what is left out has no limit
    remove  remove all quotas of ACCOUNT

    {_SCOPE}

    Example: kinomill limits set team-a --jobs-per-day 500 --submissions-per-minute 30
    """)
    acts = ("list", "show", "set", "remove")
    add = parser.add_argument
    add("act", metavar="ACT", nargs="?", choices=acts, default="list", help=", ".join(acts))
    add("account", metavar="ACCOUNT", nargs="?", help="Name of an account.")
    quotas = {
        "--jobs-per-day": "Submissions on a day (UTC).",
        "--gpu-seconds-per-day": "Time of workers on a day (UTC).",
        "--stored-bytes": "Uploaded files, and results.",
        "--submissions-per-minute": "Rate of submissions.",
        "--burst": "Submissions at once. Default: those of a minute.",
    }
    for option, text in quotas.items():
        add(option, metavar="N", type=whole_number(0), help=f"set: {text}")
    parser.add_json()


def add_usage(parser: Parser) -> None:
    """Add the arguments."""
    parser.explain("""
    What accounts used, by day (UTC), account and model. Jobs that were deleted count, too. Other
    accounts than your own need a key of scope admin.

    Example: kinomill usage --account '*' --since 2026-11-01 --csv > november.csv
    """)
    add = parser.add_argument
    add("--since", metavar="DAY", type=day, help="First day: 2026-11-01. Default: 30 days ago.")
    add("--until", metavar="DAY", type=day, help="Last day. Default: today.")
    add("--account", metavar="NAME", help="Another account, or '*' for all. Default: your own.")
    add("--model", metavar="MODEL", help="Only this model.")
    add("--csv", action="store_true", help="Print CSV.")
    parser.add_json()


def add_audit(parser: Parser) -> None:
    """Add the arguments."""
    parser.explain(f"""
    What operators did and changes of keys, newest first: time, who, act, on what, details.

    {_SCOPE}
    """)
    add = parser.add_argument
    add("--act", metavar="ACT", help="Only this act, e.g. queue.pause or key.create.")
    add("--actor", metavar="NAME", help="Only acts of this account.")
    add("--subject", metavar="NAME", help="Only acts on this model, worker, account, job or key.")
    add("--limit", metavar="N", type=whole_number(1), default=50, help="At most N. Default: 50.")
    parser.add_json()


def moment(text: str) -> dt.datetime:
    """Parse a time, or how long ago it was: 24h, 30m."""
    try:
        parsed = dt.datetime.fromisoformat(text)
    except ValueError:
        ago = dt.timedelta(seconds=duration_seconds(text))
        return dt.datetime.now(dt.UTC) - min(ago, dt.timedelta(days=36_500))
    return parsed if parsed.tzinfo is not None else parsed.astimezone()


def day(text: str) -> dt.date:
    """Parse a day."""
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is not a day: write e.g. 2026-11-29") from error
