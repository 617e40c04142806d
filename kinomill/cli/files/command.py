"""`kinomill files`: upload files once for many jobs, list and delete them."""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from kinomill.cli.connection import connect
from kinomill.cli.errors import naming
from kinomill.cli.output import print_json, say
from kinomill.errors import UsageError

if TYPE_CHECKING:
    from argparse import Namespace

    from kinomill.client import Client
    from kinomill.files.records import File


def run_files(given: Namespace) -> int:
    """Run `upload`, `list` or `delete`."""
    if (given.action == "list") == bool(given.items):
        needed = "takes no names" if given.action == "list" else "needs at least one"
        raise UsageError(f"kinomill files {given.action} {needed}; see kinomill files --help")
    with connect() as client:
        {"upload": _upload, "list": _list, "delete": _delete}[given.action](client, given)
    return 0


def _upload(client: Client, given: Namespace) -> None:
    sent: list[File] = []
    for item in given.items:
        sent.append(_send(client, Path(item), given))
        if not given.json:
            say(f"{sent[-1].id}  {item}")
    if given.json:
        raw = [file.raw for file in sent]
        print_json(raw[0] if len(raw) == 1 else raw)


def _send(client: Client, path: Path, given: Namespace) -> File:
    """Upload a file, with a bar in a terminal."""
    if not sys.stderr.isatty():
        return client.files.upload(path, ttl_seconds=given.ttl, reuse=not given.new)
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(bar_width=40), DownloadColumn())
    with Progress(*columns, TransferSpeedColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(path.name, total=None)

        def show(sent: int, total: int) -> None:
            bar.update(task, completed=sent, total=total)

        return client.files.upload(path, ttl_seconds=given.ttl, reuse=not given.new, on_upload=show)


def _list(client: Client, given: Namespace) -> None:
    shown = islice(client.files.list_all(), None if given.all else given.limit)
    if given.json:
        print_json([file.raw for file in shown])
        return
    for file in shown:
        kind = file.content_type or file.status
        expires = f"{file.expires_at:%Y-%m-%d %H:%M}"
        say("  ".join([file.id, f"{file.bytes:>12}", f"{kind:<16}", expires, file.filename]))


def _delete(client: Client, given: Namespace) -> None:
    for item in given.items:
        with naming(item):
            client.files.delete(item)
        if not given.json:
            say(f"{item} deleted")
    if given.json:
        print_json([{"id": item, "deleted": True} for item in given.items])
