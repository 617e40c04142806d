"""Kinomill's GPU workers on Modal: `modal deploy deploy/modal/app.py`, from the root of a checkout.

Every minute `scale` asks the API how many jobs need a worker, and starts what is missing. A worker
ends by itself when nothing was to do for IDLE_SECONDS, so none is stopped in a job. The API,
maintenance, the database and the broker run elsewhere, and are reachable from the internet.

Before: `modal secret create kinomill DATABASE_URL=… REDIS_URL=… KINOMILL_SECRET_KEY=…
KINOMILL_STORAGE=s3://… KINOMILL_URL=https://… KINOMILL_KEY=km_…`, and once
`modal run deploy/modal/app.py::pull`, which puts the weights on the volume.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.request
from pathlib import Path

import modal

MODELS = "musetalk"
GPU = "L40S"
MAX_WORKERS = 2
IDLE_SECONDS = 300
WEIGHTS = "/weights"
LONGEST_SECONDS = 24 * 3600
"""Modal ends a function after this at the latest; the job then goes back to the queue."""
SOURCES = ("accounts", "api", "cli", "jobs", "kinomill", "maintenance", "migrations", "models",
           "runtime", "storage", "weights", "workers")  # fmt: skip
FILES = ("pyproject.toml", "constraints.txt", "README.md", "LICENSE", "NOTICE")


def build_image() -> modal.Image:
    """The worker with the packages of this checkout. Modal's hosts bring the driver."""
    root = Path(__file__).resolve().parents[2]
    image = modal.Image.debian_slim(python_version="3.12")
    for name in SOURCES:
        image = image.add_local_dir(root / name, f"/source/{name}", copy=True)
    for name in FILES:
        image = image.add_local_file(root / name, f"/source/{name}", copy=True)
    return image.run_commands(
        "cd /source && pip install -c constraints.txt ./kinomill '.[worker,s3]'"
    ).env(
        {
            "KINOMILL_MODELS": MODELS,
            "KINOMILL_WEIGHTS": WEIGHTS,
            "KINOMILL_LOG_FORMAT": "json",
            "KINOMILL_DRAIN_WINDOW": "15",
        }
    )


app = modal.App("kinomill")
# In the cloud this file is imported again, without the checkout around it.
image = build_image() if modal.is_local() else None
volume = modal.Volume.from_name("kinomill-weights", create_if_missing=True)
secrets = [modal.Secret.from_name("kinomill")]


@app.function(image=image, volumes={WEIGHTS: volume}, secrets=secrets, timeout=2 * 3600)
def pull() -> None:
    """Pull the weights of all models onto the volume."""
    subprocess.run(["kinomill", "models", "pull", "--all-for-worker"], check=True)
    volume.commit()


@app.function(
    image=image,
    gpu=GPU,
    volumes={WEIGHTS: volume.with_mount_options(read_only=True)},
    secrets=secrets,
    timeout=LONGEST_SECONDS,
    max_containers=MAX_WORKERS,
    scaledown_window=10,
)
def work() -> None:
    """Run one worker until it has been idle. Modal interrupts it to preempt it."""
    command = ["kinomill", "worker", "--exit-when-idle", str(IDLE_SECONDS)]
    worker = subprocess.Popen(command)
    try:
        code = worker.wait()
    except BaseException:
        worker.send_signal(signal.SIGTERM)  # it gives its job back to the queue
        worker.wait()
        raise
    if code:
        raise RuntimeError(f"the worker ended with exit code {code}")


@app.function(image=image, secrets=secrets, schedule=modal.Period(minutes=1), max_containers=1)
def scale() -> None:
    """Start the workers that are missing."""
    stats = work.get_current_stats()
    present = stats.num_running_inputs + stats.backlog
    for _ in range(missing(demand(), present)):
        work.spawn()


def demand() -> int:
    """Jobs that need a worker, by the API."""
    request = urllib.request.Request(
        f"{os.environ['KINOMILL_URL'].rstrip('/')}/v1/queues",
        headers={"Authorization": f"Bearer {os.environ['KINOMILL_KEY']}"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        queues = json.load(response)["items"]
    return sum(queue["demand"] for queue in queues if queue["model"] in MODELS.split(","))


def missing(wanted: int, present: int) -> int:
    """How many workers to start."""
    return max(min(wanted, MAX_WORKERS) - present, 0)
