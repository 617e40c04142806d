"""From `POST /v1/background-removal` to the bytes of the picture, beyond the model's own time.

Starts PostgreSQL, Valkey, API, maintenance and one worker with the previews on the CPU, sends
pictures one after another on one connection, and prints a report as JSON. The model's own time is
the phase `generating` of the job; all else is the service: upload, submission, wake-up, fetching
and decoding the picture, encoding and storing the result, the end of the wait, download.

beyond_model  the whole request without `generating`
cpu_ms        CPU time of API, worker, maintenance and this client per picture, the model included
model_cpu_ms  CPU time of the model alone per picture, in this process after the requests
phases        medians of the phases that the worker measured, `outside` is the rest
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np

from bench.load.__main__ import percentile
from bench.machine import loop_ms, machine
from bench.process_tree import tree_cpu_seconds
from cli.settings import CliSettings
from cli.stack import Stack, free_port
from models.inspyrenet.composite import compose
from models.preview_cutout.segmentation import find_foreground

SIZES = ((320, 240), (1280, 720))
WARM_UP = 5


def main() -> None:
    options = parse_options()
    settings = CliSettings(database_url=None, redis_url=None, storage=None)
    with tempfile.TemporaryDirectory(prefix="kinomill-bench-") as folder:
        home = Path(folder)
        home.chmod(0o711)
        before = {"load": [round(value, 2) for value in os.getloadavg()], "loop_ms": loop_ms()}
        with Stack(home, free_port(), settings, lambda _: None) as stack:
            figures = [measure(stack.url, size, options.pictures) for size in SIZES]
    report = {"bench": "background_removal", "machine": machine(), **before, "pictures": figures}
    print(json.dumps(report, indent=2))


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.background_removal",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--pictures", type=int, default=50, help="of each size (default 50)")
    return parser.parse_args()


def measure(url: str, size: tuple[int, int], count: int) -> dict[str, Any]:
    """Send this many pictures of one size, after some that warm up."""
    picture = draw(*size)
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        for _ in range(WARM_UP):
            send(client, picture)
        before = tree_cpu_seconds(os.getpid())
        runs = [send(client, picture) for _ in range(count)]
        cpu = tree_cpu_seconds(os.getpid()) - before
    figures = {"cpu_ms": round(1000 * cpu / count, 1), "model_cpu_ms": model_cpu_ms(picture, count)}
    return summarize(size, runs) | figures


def model_cpu_ms(picture: bytes, count: int) -> float:
    """CPU time of what the job does in `generating`, per picture."""
    rgb = cv2.cvtColor(cv2.imdecode(np.frombuffer(picture, np.uint8), 1), cv2.COLOR_BGR2RGB)
    rgb = np.asarray(rgb, np.uint8)
    compose(rgb, find_foreground(rgb), output="rgba")
    before = time.process_time()
    for _ in range(count):
        compose(rgb, find_foreground(rgb), output="rgba")
    return round(1000 * (time.process_time() - before) / count, 1)


def summarize(size: tuple[int, int], runs: list[dict[str, float]]) -> dict[str, Any]:
    """Percentiles of all runs, in ms."""
    beyond = sorted(run["total"] - run["generating"] for run in runs)
    phases = {name for run in runs for name in run}
    medians = {name: percentile(sorted(run.get(name, 0.0) for run in runs), 0.5) for name in phases}
    return {
        "size": f"{size[0]}x{size[1]}",
        "count": len(runs),
        "beyond_model_p50_ms": percentile(beyond, 0.5),
        "beyond_model_p90_ms": percentile(beyond, 0.9),
        "phases_ms": dict(sorted(medians.items())),
    }


def send(client: httpx.Client, picture: bytes) -> dict[str, float]:
    """One picture; returns the seconds of the request, and of the phases of its job."""
    begin = time.perf_counter()
    response = client.post(
        "/v1/background-removal",
        files={"file": ("a.jpg", picture)},
        data={"model": "preview-cutout"},
    )
    total = time.perf_counter() - begin
    if response.status_code != httpx.codes.OK:
        raise RuntimeError(f"no picture: {response.status_code} {response.text[:500]}")
    path = httpx.URL(response.headers["location"]).path
    timings: dict[str, float] = client.get(path).json()["timings"]
    return timings | {"total": total, "outside": total - sum(timings.values())}


def draw(width: int, height: int) -> bytes:
    """A JPEG of a disc on a noisy background."""
    rows, columns = np.mgrid[0:height, 0:width]
    inside = (rows - height / 2) ** 2 + (columns - width / 2) ** 2 < (height * 0.3) ** 2
    noise = np.random.default_rng(5).integers(-12, 12, (height, width, 3))
    colors = np.where(inside[..., None], (30, 30, 200), (190, 60, 30)) + noise
    return bytes(cv2.imencode(".jpg", colors.clip(0, 255).astype(np.uint8))[1])


if __name__ == "__main__":
    main()
