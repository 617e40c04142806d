"""Start-up time of the API and of a worker, with CPU seconds and resident memory.

Prints a report as JSON on stdout and a line for each run on stderr. Each start is a new process
with a warm page cache, against database and broker that are already running.

api          `kinomill api` until `/livez` succeeds
ready        `kinomill api` until `/readyz` succeeds: all imported, database and broker checked
naive        the FastAPI, SQLAlchemy and Celery program `bench/coldstart/naive_api.py`, `/livez`
naive_ready  the same until its `/readyz` succeeds, which also checks database and broker
worker       `kinomill worker` until `/readyz` succeeds: weights verified, model loaded and run once
script       a plain script that does the same in series: import, hash the weights, load, run once

Each is timed from the spawn of the process to the first answer 200, the port included; the script,
to its end. The report compares live with live, ready with ready, and the memory at that moment.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from http import HTTPStatus
from http.client import HTTPConnection
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from bench.machine import compile_checkout, machine
from bench.process_tree import cpu_seconds, process_tree, resident_mb
from cli.embedded.postgres import Postgres
from cli.embedded.valkey import Valkey
from cli.settings import environment
from cli.stack import free_port, migrate
from runtime.files import sha256_file

KINDS = ("api", "ready", "naive", "naive_ready", "worker", "script")
COMPARED = (
    ("api", "naive", "first answer, both /livez"),
    ("ready", "naive", "ours /readyz, the peer's first answer (/livez)"),
    ("ready", "naive_ready", "ready, both /readyz: database and broker checked"),
    ("worker", "script", "model loaded and run once: ours /readyz, the script's end"),
)
FIGURES = ("seconds", "cpu_seconds", "rss_mb")
MODELS = {
    "wav2lip": ("bench.coldstart.card:COLD_WAV2LIP", "wav2lip_gan.pth", "models.wav2lip.runner"),
    "inspyrenet": (
        "bench.coldstart.card:COLD_INSPYRENET",
        "ckpt_base.safetensors",
        "models.inspyrenet.runner",
    ),
}
"""Card, file and runner of the model that a worker and the script load."""
ROOT = Path(__file__).parents[2]
TIMEOUT_SECONDS = 180
POLL_SECONDS = {"api": 0.01, "worker": 0.1}
"""Polling intervals: answering a poll costs CPU time, which is counted."""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.coldstart",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=3, help="starts of each kind (default 3)")
    parser.add_argument(
        "--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="default: all"
    )
    parser.add_argument(
        "--model", choices=MODELS, default="wav2lip", help="loaded by worker and script"
    )
    parser.add_argument("--script", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.script:
        print(json.dumps(run_script(arguments.script, arguments.model)))
        return
    with tempfile.TemporaryDirectory(prefix="kinomill-coldstart-") as folder:
        home = Path(folder)
        home.chmod(0o711)
        print(json.dumps(measure(home, arguments), indent=2))


def measure(home: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    rounds, kinds, model = arguments.rounds, arguments.kinds, arguments.model
    servers = Postgres(home), Valkey(home)
    compile_checkout()
    try:
        env = program_environment(home, *(server.start() for server in servers))
        create_weights(home, model)
        if "worker" in kinds:
            run("worker", home, env, model)  # the first start fills the volume
        orders = [kinds[:: -1 if number % 2 else 1] for number in range(rounds)]
        runs = [run(kind, home, env, model) for order in orders for kind in order]
    finally:
        for server in reversed(servers):
            server.stop()
    medians = {
        kind: {
            figure: round(median(one[figure] for one in runs if one["kind"] == kind), 2)
            for figure in FIGURES
        }
        for kind in kinds
    }
    return {
        "bench": "coldstart",
        "model": model,
        "machine": machine(),
        "versions": {name: version(name) for name in ("fastapi", "celery", "sqlalchemy", "torch")},
        "rounds": rounds,
        "median": medians,
        "ratio": {
            f"{ours}_over_{peer}": {
                "compared": compared,
                **{f: round(medians[ours][f] / medians[peer][f], 2) for f in FIGURES},
            }
            for ours, peer, compared in COMPARED
            if {ours, peer} <= medians.keys()
        },
        "runs": runs,
    }


def program_environment(home: Path, database_url: str, redis_url: str) -> dict[str, str]:
    migrate(database_url)
    return environment(
        DATABASE_URL=database_url,
        REDIS_URL=redis_url,
        KINOMILL_STORAGE=str(home / "objects"),
        KINOMILL_SECRET_KEY="0" * 64,
        KINOMILL_PUBLIC_URL="http://127.0.0.1",
        KINOMILL_WEIGHTS=str(home / "volume"),
        COLDSTART_MANIFEST=str(home / "weights.toml"),
        PYTHONPATH=str(ROOT),  # for the card, which is in no package that is installed
    )


def create_weights(home: Path, model: str) -> None:
    """Write a checkpoint of made weights and a manifest whose source is that file."""
    (home / "checkpoint").mkdir()
    path = home / "checkpoint" / MODELS[model][1]
    _SAVE[model](path)
    (home / "weights.toml").write_text(
        f'schema = 1\nmodel = "cold"\n\n[[files]]\npath = "{path.name}"\nrole = "generator"\n'
        f'source = "{path.as_uri()}"\nbytes = {path.stat().st_size}\n'
        f'sha256 = "{sha256_file(path)}"\nlicense = "Apache-2.0"\n'
    )


def save_wav2lip(path: Path) -> None:
    import torch

    from models.wav2lip.network import Wav2Lip

    torch.manual_seed(5)
    torch.save(Wav2Lip().state_dict(), path)


def save_inspyrenet(path: Path) -> None:
    from safetensors.torch import save_file

    from tests.models.inspyrenet.formula import state

    save_file(state((1024, 1024)), path, metadata={"base_size": "1024x1024"})


_SAVE = {"wav2lip": save_wav2lip, "inspyrenet": save_inspyrenet}


def run(kind: str, home: Path, env: dict[str, str], model: str) -> dict[str, Any]:
    figures = {
        "api": lambda: api(env, "/livez"),
        "ready": lambda: api(env, "/readyz"),
        "naive": lambda: naive(env, "/livez"),
        "naive_ready": lambda: naive(env, "/readyz"),
        "worker": lambda: worker(env, model),
        "script": lambda: script(home, env, model),
    }[kind]()
    result = {"kind": kind, **figures}
    print(json.dumps(result), file=sys.stderr)
    return result


def api(env: dict[str, str], path: str) -> dict[str, Any]:
    port = free_port()
    command = ["-m", "cli.main", "api", "--port", str(port)]
    return measure_start(command, env, f"http://127.0.0.1:{port}{path}", POLL_SECONDS["api"])


def naive(env: dict[str, str], path: str) -> dict[str, Any]:
    port = free_port()
    servers = ["--database", env["DATABASE_URL"], "--redis", env["REDIS_URL"]]
    command = ["-m", "bench.coldstart.naive_api", *servers, "--port", str(port)]
    return measure_start(command, env, f"http://127.0.0.1:{port}{path}", POLL_SECONDS["api"])


def worker(env: dict[str, str], model: str) -> dict[str, Any]:
    port = free_port()
    models = json.dumps([MODELS[model][0]])
    own = {"KINOMILL_MODELS": models, "KINOMILL_HEALTH_PORT": str(port)}
    url = f"http://127.0.0.1:{port}/readyz"
    return measure_start(["-m", "cli.main", "worker"], env | own, url, POLL_SECONDS["worker"])


def script(home: Path, env: dict[str, str], model: str) -> dict[str, Any]:
    begin = time.perf_counter()
    process = subprocess.run(
        [
            *(sys.executable, "-m", "bench.coldstart", "--model", model),
            *("--script", str(home / "checkpoint")),
        ],
        env=env,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return {"seconds": round(time.perf_counter() - begin, 3), **json.loads(process.stdout)}


def run_script(folder: Path, model: str) -> dict[str, Any]:
    runner = importlib.import_module(MODELS[model][2])
    for path in folder.iterdir():
        sha256_file(path)
    runner.Runner(folder).warm_up()
    cpu = time.process_time()
    return {"cpu_seconds": round(cpu, 2), "rss_mb": resident_mb([os.getpid()])}


def measure_start(
    command: list[str], env: dict[str, str], url: str, poll_seconds: float
) -> dict[str, Any]:
    """Start a program, wait until the URL returns 200, measure the program, and stop it."""
    begin = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *command],
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until_up(url, process, poll_seconds)
        seconds = time.perf_counter() - begin
        pids = process_tree(process.pid)
        return {
            "seconds": round(seconds, 3),
            "cpu_seconds": round(sum(cpu_seconds(pid) for pid in pids), 2),
            "parent_cpu_seconds": round(cpu_seconds(process.pid), 2),
            "rss_mb": resident_mb(pids),
            "parent_rss_mb": resident_mb([process.pid]),
        }
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_until_up(url: str, process: subprocess.Popen[bytes], poll_seconds: float) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not is_up(url):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{process.args} did not start")
        time.sleep(poll_seconds)


def is_up(url: str) -> bool:
    """Whether the URL returns 200. http.client is used because polling must cost little CPU."""
    parts = urlsplit(url)
    connection = HTTPConnection(str(parts.hostname), parts.port, timeout=2)
    try:
        connection.request("GET", parts.path)
        return connection.getresponse().status == HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    main()
