"""`kinomill queues`, `workers`, `maintenance-mode`, `limits`, `usage` and `audit`."""

from __future__ import annotations

import csv
import sys
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from kinomill.admin.records import Limits, UsageDay
from kinomill.cli.connection import connect
from kinomill.cli.output import print_json, say
from kinomill.errors import UsageError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable, Sequence

    from kinomill.admin.records import Erasure, Maintenance, Queue
    from kinomill.admin.sync_admin import Admin


def run_queues(given: Namespace) -> int:
    """List or change queues."""
    with connect() as client:
        admin = client.admin
        if given.act == "list":
            _list_queues(admin, given)
            return 0
        model = _needed(given, "model", "MODEL")
        done = {"pause": _pause, "resume": _resume, "purge": _purge, "requeue": _requeue}
        result = done[given.act](admin, model, given)
    _report(given, result)
    return 0


def run_workers(given: Namespace) -> int:
    """List workers, drain or resume one."""
    with connect() as client:
        admin = client.admin
        if given.act == "list":
            workers = admin.workers()
            if given.json:
                print_json([worker.raw for worker in workers])
            else:
                _print_table([(one.name, one.status, ", ".join(one.models)) for one in workers])
            return 0
        name = _needed(given, "name", "NAME")
        admin.drain(name) if given.act == "drain" else admin.resume_worker(name)
    _report(given, {"name": name, "drained": given.act == "drain"})
    return 0


def run_maintenance_mode(given: Namespace) -> int:
    """Show or change whether submissions are refused."""
    with connect() as client:
        state = _maintenance(client.admin, given)
    shown = {**asdict(state), "since": state.since and state.since.isoformat()}
    if given.json:
        print_json(shown)
    else:
        reason = f": {state.reason}" if state.reason else ""
        say(f"submissions are {'refused' if state.active else 'accepted'}{reason}")
    return 0


def run_accounts(given: Namespace) -> int:
    """Erase an account; 1 if a job of it still runs."""
    if not given.yes:
        act = f"erase all jobs and files of {given.account} for good"
        _confirm(f"Erase all jobs and files of {given.account} for good?", act, "erased")
    with connect() as client:
        erased = client.admin.erase_account(
            given.account, timeout=given.timeout, on_progress=_show_erased
        )
    _report(given, asdict(erased))
    return 0 if erased.complete else 1


def _show_erased(so_far: Erasure) -> None:
    if sys.stderr.isatty():
        print(f"\r{so_far.jobs} jobs, {so_far.objects} objects", end="", file=sys.stderr)  # noqa: T201


def run_limits(given: Namespace) -> int:
    """List or change quotas."""
    with connect() as client:
        admin = client.admin
        if given.act == "list":
            found: Sequence[Limits] = admin.all_limits()
        else:
            account = _needed(given, "account", "ACCOUNT")
            found = [_limits(admin, account, given)]
    if given.json:
        shown = [asdict(one) for one in found]
        print_json(shown if given.act == "list" else shown[0])
    else:
        names = [one.name for one in fields(Limits)]
        _print_table([names, *([getattr(one, name) for name in names] for one in found)])
    return 0


def run_usage(given: Namespace) -> int:
    """Print a report of usage."""
    with connect() as client:
        lines = client.admin.usage(
            since=given.since, until=given.until, account=given.account, model=given.model
        )
    names = [one.name for one in fields(UsageDay)]
    rows = [[getattr(line, name) for name in names] for line in lines]
    if given.json:
        print_json([{**asdict(line), "day": line.day.isoformat()} for line in lines])
    elif given.csv:
        csv.writer(sys.stdout, lineterminator="\n").writerows([names, *rows])
    else:
        _print_table([names, *rows])
    return 0


def run_audit(given: Namespace) -> int:
    """Print the audit log."""
    entries: list[Any] = []
    with connect() as client:
        before = None
        while len(entries) < given.limit:
            page = client.admin.audit(
                act=given.act,
                actor=given.actor,
                subject=given.subject,
                before=before,
                limit=min(given.limit - len(entries), 200),
            )
            entries += page
            before = page.next_cursor
            if before is None:
                break
    if given.json:
        print_json([{**asdict(entry), "at": entry.at.isoformat()} for entry in entries])
        return 0
    for entry in entries:
        details = " ".join(f"{name}={value}" for name, value in entry.details.items() if value)
        when = f"{entry.at:%Y-%m-%d %H:%M:%S}"
        say("  ".join([when, entry.actor, entry.act, entry.subject, details]).rstrip())
    return 0


def _list_queues(admin: Admin, given: Namespace) -> None:
    queues = admin.queues()
    if given.json:
        print_json([queue.raw for queue in queues])
        return
    head = ("model", "waiting", "running", "held", "workers", "oldest", "wait p50/p90", "paused")
    _print_table([head, *(_queue_row(queue) for queue in queues)])


def _queue_row(queue: Queue) -> tuple[Any, ...]:
    oldest = f"{queue.oldest_at:%Y-%m-%d %H:%M:%S}" if queue.oldest_at else None
    eta = queue.eta_seconds
    wait = f"{eta.p50:.0f} / {eta.p90:.0f} s" if eta else None
    paused = None if queue.paused is None else f"paused: {queue.paused}".removesuffix(": ")
    counts = queue.waiting, queue.running, queue.held, queue.workers
    return (queue.model, *counts, oldest, wait, paused)


def _pause(admin: Admin, model: str, given: Namespace) -> dict[str, Any]:
    admin.pause(model, reason=given.reason)
    return {"model": model, "paused": True}


def _resume(admin: Admin, model: str, _: Namespace) -> dict[str, Any]:
    admin.resume(model)
    return {"model": model, "paused": False}


def _purge(admin: Admin, model: str, given: Namespace) -> dict[str, Any]:
    if not given.yes:
        waiting = sum(queue.waiting for queue in admin.queues() if queue.model == model)
        whose = f" of {given.account}" if given.account else f", {waiting} now,"
        question = f"Cancel the waiting jobs of {model}{whose} for good?"
        _confirm(question, "cancel jobs for good", "canceled")
    return {"model": model, "canceled": admin.purge(model, account=given.account)}


def _requeue(admin: Admin, model: str, given: Namespace) -> dict[str, Any]:
    if given.since is None:
        raise UsageError("requeue needs --since, e.g. --since 24h")
    created = admin.requeue(
        model, since=given.since, until=given.until, code=given.code, account=given.account
    )
    return {"model": model, "created": list(created)}


def _maintenance(admin: Admin, given: Namespace) -> Maintenance:
    if given.act == "on":
        return admin.start_maintenance(reason=given.reason, retry_after_seconds=given.retry_after)
    return admin.end_maintenance() if given.act == "off" else admin.maintenance()


def _limits(admin: Admin, account: str, given: Namespace) -> Limits:
    if given.act == "set":
        names = [one.name for one in fields(Limits) if one.name != "account"]
        return admin.set_limits(account, **{name: getattr(given, name) for name in names})
    if given.act == "remove":
        admin.delete_limits(account)
    return admin.limits(account)


def _confirm(question: str, act: str, done: str) -> None:
    """Ask on a terminal. Raises `UsageError` without a yes, and where nobody can answer."""
    if not sys.stdin.isatty():
        raise UsageError(f"to {act}, add --yes")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)  # noqa: T201
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise UsageError(f"nothing was {done}")


def _needed(given: Namespace, name: str, shown: str) -> str:
    value: str | None = getattr(given, name)
    if value is None:
        raise UsageError(f"{given.act} needs {shown}")
    return value


def _report(given: Namespace, result: dict[str, Any]) -> None:
    if given.json:
        print_json(result)
        return
    say("  ".join(f"{name}: {_shown(value)}" for name, value in result.items()))


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return f"{len(value)} {'job' if len(value) == 1 else 'jobs'}"
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)


def _print_table(rows: Iterable[Iterable[Any]]) -> None:
    """Print columns; None is a dash."""
    texts = [["-" if cell is None else str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    for row in texts:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        say("  ".join(cells).rstrip())
