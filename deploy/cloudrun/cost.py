"""What a deployment on Cloud Run costs, from the prices in a file: `python3 cost.py --help`.

    second of a pool   = GPU + vCPUs x price + GiB x price
    always on          = second x 730 h
    scale to zero      = second x (busy + bursts x (cold start + IDLE_SECONDS))
    minute of video    = second x seconds of GPU for a minute of video x billed / busy

A burst is a time with jobs between two times without: each begins with a cold start, and ends
with IDLE_SECONDS that are billed before the pool is at zero.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOUR = 3600
MONTH = 730 * HOUR
SIZES = {"l4": (8, 32), "rtx-pro-6000": (20, 80)}
"""vCPUs and GiB of the pools, as in worker-*.yaml."""
ALWAYS_ON = {
    "API, one instance kept (API_MIN=1)": (1, 1),
    "maintenance": (1, 0.5),
    "metrics with their collector": (1, 1),
    "autoscaler of one pool": (1, 0.5),
}
"""vCPUs and GiB of what runs beside the pools."""


@dataclass(frozen=True)
class Use:
    """How a pool is used in a month. Seconds."""

    busy: float
    bursts: float
    cold: float
    idle: float

    @property
    def billed(self) -> float:
        """Seconds that are billed, of all instances together."""
        return self.busy + self.bursts * (self.cold + self.idle)


def per_second(prices: dict[str, Any], pool: str) -> float | None:
    """Price of one instance of a pool; None if that of its GPU is not known."""
    gpu = prices["gpu_second"].get(pool)
    return None if gpu is None else gpu + without_gpu(prices, *SIZES[pool])


def without_gpu(prices: dict[str, Any], vcpus: float, gib: float) -> float:
    """Price of a second of vCPUs and memory."""
    run = prices["run"]
    return float(vcpus * run["vcpu_second"] + gib * run["gib_second"])


def table(prices: dict[str, Any], use: Use, render: float) -> list[str]:
    """The lines of the table. `render`: seconds of GPU for one second of video."""
    lines = [f"Prices: {prices['read']}", "", "USD a month"]
    for name, size in ALWAYS_ON.items():
        lines.append(f"  {name:<40} {without_gpu(prices, *size) * MONTH:9.2f}")
    for name in ("database", "broker"):
        price = prices["month"].get(name)
        lines.append(f"  {name:<40} {'not known' if price is None else format(price, '9.2f')}")
    for pool in SIZES:
        lines += ["", f"Pool {pool}", *_pool(prices, pool, use, render)]
    return lines


def _pool(prices: dict[str, Any], pool: str, use: Use, render: float) -> list[str]:
    second = per_second(prices, pool)
    if second is None:
        return [f"  no price of its GPU: write gpu_second.{pool} into the file of prices"]
    share = use.billed / use.busy
    figures = {
        "an hour": second * HOUR,
        "a month, always on": second * MONTH,
        f"a month, scale to zero ({use.billed / HOUR:.1f} h billed)": second * use.billed,
        "a minute of video, while busy": second * render * 60,
        "a minute of video, scale to zero": second * render * 60 * share,
    }
    return [f"  {name:<40} {value:9.2f}" for name, value in figures.items()]


def main(argv: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    here = Path(__file__).parent
    parser.add_argument("--prices", type=Path, default=here / "prices.toml", help="TOML file")
    add = parser.add_argument
    add("--busy-hours", type=float, default=60, help="of GPU work a month (default: 60)")
    add("--bursts", type=float, default=200, help="from zero a month (default: 200)")
    add("--cold-seconds", type=float, default=180, help="of a cold start (default: 180)")
    add("--idle-seconds", type=float, default=600, help="IDLE_SECONDS (default: 600)")
    add("--render", type=float, default=4, help="seconds of GPU for one of video (default: 4)")
    given = parser.parse_args(argv)
    if given.busy_hours <= 0:
        parser.error("--busy-hours must be above 0")
    use = Use(given.busy_hours * HOUR, given.bursts, given.cold_seconds, given.idle_seconds)
    prices = tomllib.loads(given.prices.read_text())
    sys.stdout.write("\n".join([*table(prices, use, given.render), ""]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
