"""The report: medians over the rounds, ratios to the peers, and the goals of the project."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Any

OURS = "kinomill"


@dataclass(frozen=True)
class Goal:
    """A bound for one of our figures, relative to a peer's figure or absolute."""

    figure: str
    bound: float
    peer: str | None = None
    at_least: bool = False

    def check(self, medians: dict[str, dict[str, float]]) -> dict[str, Any] | None:
        """The value and whether it meets the goal; None if it was not measured."""
        value = medians.get(OURS, {}).get(self.figure)
        if self.peer is not None:
            value = ratio(value, medians.get(self.peer, {}).get(self.figure))
        if value is None:
            return None
        met = value >= self.bound if self.at_least else value <= self.bound
        sign = ">=" if self.at_least else "<="
        goal = f"{sign} {self.bound:g}" + (f" x {self.peer}" if self.peer else "")
        return {"figure": self.figure, "goal": goal, "value": value, "met": met}


# Absolute times are for the machine of the first figures (two quiet cores of Zen 4), where naive
# took 2.8 ms of CPU per POST, 153 ms at p99, 10.6 ms of CPU per job: elsewhere the ratios decide.
GOALS = (
    Goal("post_c16_rps", 5, "naive", at_least=True),
    Goal("post_c16_rps", 1.1, "procrastinate", at_least=True),
    Goal("post_api_cpu_ms", 0.6),
    Goal("post_api_cpu_ms", 0.21, "naive"),
    Goal("post_c16_p99_ms", 17),
    Goal("post_c16_p99_ms", 0.11, "naive"),
    Goal("get_queued_c16_rps", 2.5, "naive", at_least=True),
    Goal("get_queued_c16_rps", 1, "procrastinate", at_least=True),
    Goal("get_ended_c16_rps", 2.5, "naive", at_least=True),
    Goal("get_ended_c16_rps", 1, "procrastinate", at_least=True),
    Goal("job_poll_p50_ms", 1, "naive"),
    Goal("job_poll_p99_ms", 1, "naive"),
    Goal("job_poll_p50_ms", 1.3, "procrastinate"),
    Goal("job_poll_p99_ms", 1.3, "procrastinate"),
    Goal("job_poll_cpu_ms", 7),
    Goal("job_poll_cpu_ms", 0.66, "naive"),
    Goal("jobs_per_second_1", 1, "naive", at_least=True),
    Goal("jobs_per_second_2", 1, "naive", at_least=True),
    Goal("jobs_per_second_4", 1, "naive", at_least=True),
    Goal("jobs_per_second_1", 120, at_least=True),
    Goal("jobs_per_second_2", 200, at_least=True),
    Goal("jobs_per_second_4", 230, at_least=True),
    Goal("rss_mb", 1, "naive"),
)

ROWS = (
    ("POST, 16 connections, requests/s", "post_c16_rps"),
    ("POST, 1 connection, requests/s", "post_c1_rps"),
    ("CPU ms of the API per POST", "post_api_cpu_ms"),
    ("POST, 16 connections, p50 ms", "post_c16_p50_ms"),
    ("POST, 16 connections, p99 ms", "post_c16_p99_ms"),
    ("POST, 1 connection, p50 ms", "post_c1_p50_ms"),
    ("POST, 1 connection, p99 ms", "post_c1_p99_ms"),
    ("POST, not 2xx", "post_c16_bad"),
    ("GET of a queued job, 16 connections, requests/s", "get_queued_c16_rps"),
    ("GET of a queued job, 1 connection, requests/s", "get_queued_c1_rps"),
    ("GET of an ended job, 16 connections, requests/s", "get_ended_c16_rps"),
    ("GET of an ended job, 1 connection, requests/s", "get_ended_c1_rps"),
    ("CPU ms of the API per GET of an ended job", "get_ended_api_cpu_ms"),
    ("shortest job, 2 ms poll, p50 ms", "job_poll_p50_ms"),
    ("shortest job, 2 ms poll, p99 ms", "job_poll_p99_ms"),
    ("shortest job, ?wait=, p50 ms", "job_wait_p50_ms"),
    ("shortest job, ?wait=, p99 ms", "job_wait_p99_ms"),
    ("CPU ms per such job, all processes", "job_poll_cpu_ms"),
    ("CPU ms per such job with ?wait=", "job_wait_cpu_ms"),
    ("no-op jobs/s, 1 worker", "jobs_per_second_1"),
    ("no-op jobs/s, 2 workers", "jobs_per_second_2"),
    ("no-op jobs/s, 4 workers", "jobs_per_second_4"),
    ("API RSS MB, ready", "rss_ready_mb"),
    ("API RSS MB, after the load", "rss_mb"),
)


def summarize(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians by contestant, ratios of ours to each peer, and the goals."""
    names = list(dict.fromkeys(run["contestant"] for run in runs))
    medians = {name: _medians([run for run in runs if run["contestant"] == name]) for name in names}
    ours = medians.get(OURS, {})
    return {
        "median": medians,
        "ratio": {
            peer: {
                figure: ratio(value, medians[peer].get(figure)) for figure, value in ours.items()
            }
            for peer in names
            if peer != OURS and ours
        },
        "goals": [checked for goal in GOALS if (checked := goal.check(medians)) is not None],
    }


def ratio(ours: float | None, theirs: float | None) -> float | None:
    """None if one of them is missing or zero."""
    return round(ours / theirs, 3) if ours and theirs else None


def table(summary: dict[str, Any]) -> str:
    """The medians as a table in Markdown, with ratios and goals."""
    medians = summary["median"]
    peers = [name for name in medians if name != OURS]
    columns = [*medians, *(f"ours / {peer}" for peer in peers if OURS in medians), "goals"]
    lines = [_row(["", *columns]), _row(["---"] * (len(columns) + 1))]
    for title, figure in ROWS:
        if any(figure in values for values in medians.values()):
            cells = [_number(values.get(figure)) for values in medians.values()]
            cells += [_number(summary["ratio"][peer].get(figure)) for peer in summary["ratio"]]
            lines.append(_row([title, *cells, _goals(summary["goals"], figure)]))
    return "\n".join(lines)


def _medians(runs: list[dict[str, Any]]) -> dict[str, float]:
    figures = dict.fromkeys(
        name for run in runs for name, value in run["figures"].items() if value is not None
    )
    return {
        name: round(median(run["figures"][name] for run in runs if name in run["figures"]), 3)
        for name in figures
    }


def _goals(goals: list[dict[str, Any]], figure: str) -> str:
    return "; ".join(
        f"{goal['goal']}: {'met' if goal['met'] else 'missed'}"
        for goal in goals
        if goal["figure"] == figure
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.3g}" if value < 100 else f"{value:,.0f}"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
