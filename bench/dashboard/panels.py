"""Draws the panels of a Grafana dashboard with matplotlib."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot
from matplotlib.ticker import FuncFormatter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.dashboard.prometheus import Prometheus

DASHBOARD = Path(__file__).parents[2] / "deploy/monitoring/grafana/dashboards/kinomill.json"
VARIABLES = {"$model": ".*", "$__rate_interval": "30s"}
CELL_INCHES = 0.62, 0.24
"""Width and height of a cell of the grid, which has 24 columns."""
INK, PAPER, GRID = "#1f2328", "#ffffff", "#d8dee4"
NOTE = "Drawn by python -m bench.dashboard from Prometheus, not by Grafana"


def draw(prometheus: Prometheus, begin: float, end: float, step: float, to: Path) -> None:
    """Draw all panels over this time (seconds since 1970) into one picture."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels) + 2
    size = 24 * CELL_INCHES[0], rows * CELL_INCHES[1]
    figure = pyplot.figure(figsize=size, facecolor=PAPER)
    figure.text(0.01, 1 - 0.9 / rows, "Kinomill", fontsize=15, weight="bold", color=INK)
    figure.text(0.99, 1 - 0.9 / rows, NOTE, fontsize=8, ha="right", color="#59636e")
    for panel in panels:
        place = panel["gridPos"]
        top = 1 - (place["y"] + 2) / rows
        if panel["type"] == "row":
            figure.text(0.01, top - 0.8 / rows, panel["title"], fontsize=12, weight="bold")
            continue
        left, bottom = (place["x"] + 1.2) / 24.5, top - (place["h"] - 2.4) / rows
        width, height = (place["w"] - 1.4) / 24.5, (place["h"] - 3.6) / rows
        axes = figure.add_axes((left, bottom, width, height))
        axes.set_title(panel["title"], fontsize=9, loc="left", color=INK)
        found = [
            (_name(target["legendFormat"], series["metric"]), _points(series, begin))
            for target in panel["targets"]
            for series in prometheus.query(_filled(target["expr"]), begin, end, step)
        ]
        defaults = panel["fieldConfig"]["defaults"]
        if panel["type"] == "stat":
            _draw_numbers(axes, found, defaults)
        else:
            _draw_series(axes, found, defaults, step)
            _dress(axes, bool(found), defaults, (end - begin) / 60)
    figure.savefig(to, dpi=110)
    pyplot.close(figure)


def _filled(expression: str) -> str:
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return expression


def _name(legend: str, labels: dict[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda match: labels.get(match[1], ""), legend).strip()


def _points(series: dict[str, Any], begin: float) -> list[tuple[float, float]]:
    """Minutes since the beginning, and values; those that are no number are left out."""
    points = [((at - begin) / 60, float(value)) for at, value in series["values"]]
    return [point for point in points if math.isfinite(point[1])]


def _draw_numbers(axes: Any, found: list[tuple[str, list[Any]]], defaults: dict[str, Any]) -> None:
    axes.axis("off")
    shown = [(name, points[-1][1]) for name, points in found if points]
    for position, (name, value) in enumerate(shown):
        color = _color(value, defaults.get("thresholds", {}).get("steps", []))
        text = _unit(value, defaults["unit"])
        x = (position + 0.5) / len(shown)
        axes.text(x, 0.5, text, fontsize=18, ha="center", color=color)
        axes.text(x, 0.05, name, fontsize=8, ha="center", color=INK)
    if not shown:
        axes.text(0.5, 0.5, "no data", ha="center", color="#8b949e")


def _color(value: float, steps: Iterable[dict[str, Any]]) -> str:
    colors = {"red": "#cf222e", "orange": "#bc4c00", "green": "#1a7f37"}
    below = [step["color"] for step in steps if step["value"] is None or value >= step["value"]]
    return colors[below[-1]] if below else INK


def _draw_series(
    axes: Any, found: list[tuple[str, list[Any]]], defaults: dict[str, Any], step: float
) -> None:
    stacked = defaults["custom"]["stacking"]["mode"] == "normal"
    bars = defaults["custom"]["drawStyle"] == "bars"
    floor: dict[float, float] = {}
    for name, points in found:
        xs = [x for x, _ in points]
        lows = [floor.get(x, 0.0) if stacked else 0.0 for x in xs]
        highs = [low + y for low, (_, y) in zip(lows, points, strict=True)]
        floor.update(zip(xs, highs, strict=True))
        if bars:
            heights = [high - low for low, high in zip(lows, highs, strict=True)]
            axes.bar(xs, heights, step / 60, bottom=lows, label=name)
            continue
        (line,) = axes.plot(xs, highs, linewidth=1, label=name)
        if stacked:
            axes.fill_between(xs, lows, highs, alpha=0.3, color=line.get_color())


def _dress(axes: Any, full: bool, defaults: dict[str, Any], minutes: float) -> None:
    axes.set_xlim(0, minutes)
    axes.set_ylim(bottom=0, top=defaults.get("max"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _unit(value, defaults["unit"])))
    axes.tick_params(labelsize=7, colors=INK, length=2)
    axes.grid(visible=True, color=GRID, linewidth=0.5)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    if not full:
        axes.text(0.5, 0.5, "no data", ha="center", color="#8b949e", transform=axes.transAxes)
        return
    place = {"loc": "upper left", "bbox_to_anchor": (-0.02, -0.12), "frameon": False}
    axes.legend(fontsize=6.5, ncols=4, columnspacing=1, handlelength=1, **place)


def _unit(value: float, unit: str) -> str:
    if unit == "percentunit":
        return f"{100 * value:.0f} %"
    if unit in {"bytes", "Bps"}:
        power = int(math.log(value, 1024)) if value >= 1 else 0
        size = f"{value / 1024**power:.3g} {('B', 'KiB', 'MiB', 'GiB', 'TiB')[power]}"
        return size + ("/s" if unit == "Bps" else "")
    suffix = {"s": " s", "reqps": "/s"}.get(unit, "")
    return f"{value:.3g}{suffix}"
