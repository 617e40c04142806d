"""An overview as tables for a terminal of any width."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from kinomill.cli.output import printable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from rich.console import JustifyMethod, RenderableType

    from jobs.fleet.worker_resources import GpuUsage, VolumeUsage
    from jobs.overview.overview import (
        FailureOverview,
        Overview,
        QueueOverview,
        RunningJob,
        WorkerOverview,
    )

GB = 1_000_000_000
MB = 1_000_000
ID_LENGTH = 36
"""Characters of the id of a job."""
NARROW = 120
"""A narrower terminal has no room for bars."""
BAR = 10
"""Characters of a progress bar."""
STATE_COLORS = {"busy": "green", "ready": "green", "draining": "yellow", "drained": "yellow"}
_UNITS = (("d", 86_400, 3600, "h"), ("h", 3600, 60, "m"), ("m", 60, 1, "s"))
_FRAME_LINES = 14
"""Lines of a frame beside the rows of its tables."""


def rows_that_fit(height: int) -> int:
    """Rows of each of the four tables in a terminal of this height."""
    return max(2, (height - _FRAME_LINES) // 4)


def frame(overview: Overview, source: str, *, rows: int, width: int) -> RenderableType:
    """One frame of this width, with up to `rows` rows in each table."""
    parts: list[RenderableType] = [_head(overview, source)]
    parts += [alert_line(alert) for alert in overview.alerts[:rows]]
    parts.append(_queues(overview.queues[:rows], overview.queues_total))
    narrow = width < NARROW
    parts.append(_workers(overview.workers[:rows], overview.workers_total, narrow=narrow))
    parts.append(_running(overview.running[:rows], overview.running_total, narrow=narrow))
    parts.append(_failures(overview.failures[:rows], len(overview.failures)))
    return Group(*parts)


def alert_line(alert: str) -> Text:
    """A line for what needs a person."""
    return Text(f"! {printable(alert)}", style="bold red")


def _head(overview: Overview, source: str) -> Text:
    webhooks = overview.webhooks
    silent = overview.maintenance_silent_seconds
    beat = "none in an hour" if silent is None else f"heartbeat {_time(silent)} ago"
    return Text(
        f"kinomill top  {overview.at:%H:%M:%S} UTC  {printable(source)}\n"
        f"maintenance {beat}  broker {overview.broker}  "
        f"webhooks {webhooks.pending} pending, {webhooks.failing} failing, "
        f"{webhooks.given_up} given up"
    )


def _table(
    title: str, *columns: str, shown: int, total: int, first_width: int | None = None
) -> Table:
    """A table whose first column takes the room that the others leave."""
    more = f", {total - shown} more" if total > shown else ""
    table = Table(title=f"{title} ({total}{more})", title_justify="left", box=None, expand=True)
    table.add_column(columns[0], ratio=1, no_wrap=True, overflow="ellipsis", min_width=first_width)
    for column in columns[1:]:
        justify: JustifyMethod = "right" if column[0] == " " else "left"
        table.add_column(column.strip(), no_wrap=True, justify=justify)
    return table


def _queues(queues: Sequence[QueueOverview], total: int) -> Table:
    columns = ("model", " waiting", " running", " held", " oldest", " ETA", " workers", "state")
    table = _table("Queues", *columns, shown=len(queues), total=total)
    for one in queues:
        _add(
            table,
            one.model,
            f"{one.waiting:,}",
            str(one.running),
            str(one.held),
            _time(one.oldest_seconds),
            _time(one.eta_seconds),
            str(one.workers),
            Text(" ".join(_queue_states(one)), style="red"),
        )
    return table


def _queue_states(queue: QueueOverview) -> Iterator[str]:
    if queue.paused:
        yield "paused"
    if queue.full:
        yield "full"
    if queue.waiting and not queue.workers and not queue.paused:
        yield "no worker"


def _workers(workers: Sequence[WorkerOverview], total: int, *, narrow: bool) -> Table:
    columns = ("name", "state", " seen", " disk", " GPU", "models")
    table = _table("Workers", *columns, shown=len(workers), total=total)
    for one in workers:
        loaded = ", ".join(one.loaded) or "-"
        _add(
            table,
            one.name,
            Text(one.state, style=STATE_COLORS.get(one.state, "bold red")),
            _time(one.seen_seconds),
            _least_free(one.volumes.values()),
            _gpu_memory(one.gpus.values()),
            _short(loaded, 12 if narrow else 24),
        )
    return table


def _least_free(volumes: Collection[VolumeUsage]) -> str | Text:
    """Free space of the volume that has least of it."""
    if not volumes:
        return "-"
    least = min(volumes, key=lambda one: one.free_bytes)
    style = "bold red" if least.full else "yellow" if least.low else ""
    return Text(_size(least.free_bytes), style=style)


def _gpu_memory(gpus: Collection[GpuUsage]) -> str:
    """Memory in use on all GPUs of a worker, and what they have."""
    if not gpus:
        return "-"
    used = sum(one.used_bytes for one in gpus)
    return f"{used / GB:.0f}/{sum(one.size_bytes for one in gpus) / GB:.0f}G"


def _running(jobs: Sequence[RunningJob], total: int, *, narrow: bool) -> Table:
    """With the whole id of each job, which other commands need; so a bar only if there is room."""
    columns = ["job", "model", "phase", " done", " ETA"]
    if not narrow:
        columns = [*columns[:3], "progress", *columns[3:], " for"]
    table = _table("Running", *columns, shown=len(jobs), total=total, first_width=ID_LENGTH)
    for one in jobs:
        percent = "-" if one.percent is None else f"{one.percent:.0f}%"
        _add(
            table,
            one.id,
            _short(one.model, 9 if narrow else 24),
            _short(one.phase or "-", 10 if narrow else 19),
            *(() if narrow else (_bar(one.percent),)),
            percent,
            _time(one.eta_seconds),
            *(() if narrow else (_time(one.seconds),)),
        )
    return table


def _failures(failures: Sequence[FailureOverview], total: int) -> Table:
    columns = ("code", "model", " jobs", " last")
    table = _table("Failed in the last hour", *columns, shown=len(failures), total=total)
    for one in failures:
        _add(table, one.code, _short(one.model, 24), str(one.jobs), _time(one.last_seconds))
    return table


def _bar(percent: float | None) -> str:
    if percent is None:
        return ""
    done = round(BAR * min(percent, 100) / 100)
    return f"{'█' * done}{'░' * (BAR - done)}"


def _add(table: Table, *cells: str | Text) -> None:
    """Add a row; names are texts: neither markup nor commands to the terminal."""
    table.add_row(*(Text(printable(cell)) if isinstance(cell, str) else cell for cell in cells))


def _time(seconds: float | None) -> str:
    """A time in two units at most: `42s`, `3m05s`, `2h10m`, `5d03h`."""
    if seconds is None:
        return "-"
    whole = max(0, round(seconds))
    for unit, size, part, smaller in _UNITS:
        if whole >= size:
            return f"{whole // size}{unit}{whole % size // part:02d}{smaller}"
    return f"{whole}s"


def _size(size_bytes: float) -> str:
    """A size in two digits or three: `850M`, `9.5G`, `140G`, `2.0T`."""
    for unit, size in (("T", 1000 * GB), ("G", GB)):
        if size_bytes >= size:
            return f"{size_bytes / size:.{1 if size_bytes < 10 * size else 0}f}{unit}"
    return f"{size_bytes / MB:.0f}M"


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
