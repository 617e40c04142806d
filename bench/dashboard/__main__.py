"""A picture of the Grafana dashboard, drawn by this script and not by Grafana.

Starts all programs of Kinomill and Debian's Prometheus, runs jobs of the preview models for some
minutes, kills workers and restarts the broker meanwhile, and draws each panel of
`deploy/monitoring/grafana/dashboards/kinomill.json` from what Prometheus stored. Needs `prometheus`
of Debian and matplotlib (`pip install matplotlib`).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from bench.dashboard.load import run_load
from bench.dashboard.panels import draw
from bench.dashboard.prometheus import Prometheus
from cli.settings import CliSettings
from cli.stack import Stack, free_port

STEP_SECONDS = 5.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.dashboard", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="of load (default 10)")
    parser.add_argument("--to", type=Path, default=Path("out/dashboard.webp"), help="picture")
    args = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="kinomill-dashboard-"))
    home.chmod(0o711)
    health = free_port()
    variables = {"KINOMILL_METRICS": "true", "KINOMILL_HEALTH_PORT": str(health)}
    settings = CliSettings(database_url=None, redis_url=None, storage=None)
    with Stack(home, free_port(), settings, print, variables) as stack:
        targets = {
            "kinomill-api": stack.url.removeprefix("http://"),
            "kinomill-worker": f"127.0.0.1:{health}",
        }
        with Prometheus(home, targets, seconds=2) as prometheus:
            begin = time.time()
            run_load(stack, begin + 60 * args.minutes)
            args.to.parent.mkdir(parents=True, exist_ok=True)
            draw(prometheus, begin, time.time(), STEP_SECONDS, args.to)
            firing = {alert["labels"]["alertname"] for alert in prometheus.alerts()}
    print(f"{args.to}; alerts at the end: {', '.join(sorted(firing)) or 'none'}")


if __name__ == "__main__":
    main()
