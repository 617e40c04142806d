"""How soon the API and a worker are there after their start (row h).

`python -m bench.coldstart [--rounds 3]` prints JSON on stdout and a line for each run on stderr.
Everything starts from a warm page cache, in a fresh process, against servers that run already.

api      `kinomill api` until `/livez` answers, with its CPU seconds and resident memory
ready    the same until `/readyz` answers: all is imported, the database and the broker were asked
naive    `/livez` of the FastAPI, SQLAlchemy and Celery program in `bench/naive_api.py`
worker   `kinomill worker` until `/readyz` answers: weights checked, model loaded and run once
series   what a plain script does for the same: import, hash the weights, load, run, one by one
"""

from __future__ import annotations

import argparse
import hashlib
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
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bench.preview import machine
from cli.embedded.postgres import Postgres
from cli.embedded.valkey import Valkey
from cli.settings import environment
from cli.stack import free_port, migrate

if TYPE_CHECKING:
    from collections.abc import Callable

KINDS = ("api", "ready", "naive", "worker", "series")
CARD = "bench.coldstart_card:CARD"
LIMIT_SECONDS = 180
LOOK_SECONDS = {"api": 0.01, "worker": 0.1}
"""How often each is asked: its answers cost CPU time too, which is counted."""
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--in-series", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.in_series:
        print(json.dumps(in_series(arguments.in_series)))
        return
    with tempfile.TemporaryDirectory(prefix="kinomill-coldstart-") as folder:
        home = Path(folder)
        home.chmod(0o711)
        print(json.dumps(measured(home, arguments.rounds, arguments.kinds), indent=2))


def measured(home: Path, rounds: int, kinds: list[str]) -> dict[str, Any]:
    servers = Postgres(home), Valkey(home)
    try:
        env = surroundings(home, *(server.start() for server in servers))
        make_weights(home)
        warm = [kind for kind in kinds if kind == "worker"]
        for kind in warm:
            run(kind, home, env)  # the first one fills the volume
        turns = [kinds[n % len(kinds) :] + kinds[: n % len(kinds)] for n in range(rounds)]
        runs = [run(kind, home, env) for turn in turns for kind in turn]
    finally:
        for server in reversed(servers):
            server.stop()
    middle = {
        kind: {
            figure: round(median(one[figure] for one in runs if one["kind"] == kind), 2)
            for figure in ("seconds", "cpu_seconds", "rss_mb")
        }
        for kind in kinds
    }
    return {
        "bench": "coldstart",
        "machine": machine(),
        "versions": {name: version(name) for name in ("fastapi", "celery", "sqlalchemy", "torch")},
        "rounds": rounds,
        "median": middle,
        "ratio": {
            f"{ours}_over_{peer}": round(middle[ours]["seconds"] / middle[peer]["seconds"], 2)
            for ours, peer in (("api", "naive"), ("ready", "naive"), ("worker", "series"))
            if {ours, peer} <= middle.keys()
        },
        "runs": runs,
    }


def surroundings(home: Path, database_url: str, redis_url: str) -> dict[str, str]:
    migrate(database_url)
    return environment(
        DATABASE_URL=database_url,
        REDIS_URL=redis_url,
        KINOMILL_STORAGE=str(home / "objects"),
        KINOMILL_SECRET_KEY="0" * 64,
        KINOMILL_PUBLIC_URL="http://127.0.0.1",
        KINOMILL_WEIGHTS=str(home / "volume"),
        COLDSTART_MANIFEST=str(home / "weights.toml"),
    )


def make_weights(home: Path) -> None:
    """The checkpoint and a manifest that fetches it from where it lies."""
    import torch

    from models.wav2lip.network import Wav2Lip

    torch.manual_seed(5)
    (home / "made").mkdir()
    made = home / "made" / "wav2lip_gan.pth"
    torch.save(Wav2Lip().state_dict(), made)
    digest = hashlib.sha256(made.read_bytes()).hexdigest()
    (home / "weights.toml").write_text(
        f'schema = 1\nmodel = "cold"\n\n[[files]]\npath = "{made.name}"\nrole = "generator"\n'
        f'source = "{made.as_uri()}"\nbytes = {made.stat().st_size}\nsha256 = "{digest}"\n'
        'license = "Apache-2.0"\n'
    )


def run(kind: str, home: Path, env: dict[str, str]) -> dict[str, Any]:
    figures = {
        "api": lambda: api(env, "/livez"),
        "ready": lambda: api(env, "/readyz"),
        "naive": lambda: naive(env),
        "worker": lambda: worker(env),
        "series": lambda: series(home, env),
    }[kind]()
    told = {"kind": kind, **figures}
    print(json.dumps(told), file=sys.stderr)
    return told


def api(env: dict[str, str], path: str) -> dict[str, Any]:
    port = free_port()
    command = ["-m", "cli.main", "api", "--port", str(port)]
    return started(command, env, f"http://127.0.0.1:{port}{path}", LOOK_SECONDS["api"])


def naive(env: dict[str, str]) -> dict[str, Any]:
    port = free_port()
    servers = ["--database", env["DATABASE_URL"], "--redis", env["REDIS_URL"]]
    command = ["-m", "bench.naive_api", *servers, "--port", str(port)]
    return started(command, env, f"http://127.0.0.1:{port}/livez", LOOK_SECONDS["api"])


def worker(env: dict[str, str]) -> dict[str, Any]:
    port = free_port()
    models = json.dumps([CARD])
    told = {"KINOMILL_MODELS": models, "KINOMILL_HEALTH_PORT": str(port)}
    url = f"http://127.0.0.1:{port}/readyz"
    return started(["-m", "cli.main", "worker"], env | told, url, LOOK_SECONDS["worker"])


def series(home: Path, env: dict[str, str]) -> dict[str, Any]:
    begun = time.perf_counter()
    shown = subprocess.run(
        [sys.executable, "-m", "bench.coldstart", "--in-series", str(home / "made")],
        env=env,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return {"seconds": round(time.perf_counter() - begun, 3), **json.loads(shown.stdout)}


def in_series(folder: Path) -> dict[str, Any]:
    from models.wav2lip.runner import Runner

    for path in folder.iterdir():
        with path.open("rb") as file:
            hashlib.file_digest(file, "sha256")
    Runner(folder).warm_up()
    spent = time.process_time()
    return {"cpu_seconds": round(spent, 2), "rss_mb": resident_mb([os.getpid()])}


def started(command: list[str], env: dict[str, str], url: str, look: float) -> dict[str, Any]:
    """Start a program, wait until the address answers well, look at it, and end it."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *command],
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        until(lambda: answers(url), process, look)
        seconds = time.perf_counter() - begun
        pids = tree(process.pid)
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


def until(there: Callable[[], bool], process: subprocess.Popen[bytes], look: float) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not there():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{process.args} did not start")
        time.sleep(look)


def answers(url: str) -> bool:
    """Cheaply: whoever asks must not take a core from whoever starts."""
    where = urlsplit(url)
    connection = HTTPConnection(str(where.hostname), where.port, timeout=2)
    try:
        connection.request("GET", where.path)
        return connection.getresponse().status == HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [pid, *(below for child in path.read_text().split() for below in tree(int(child)))]


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_mb(pids: list[int]) -> float:
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
    return round(pages * PAGE / 1e6, 1)


if __name__ == "__main__":
    main()
