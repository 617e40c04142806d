"""Create and delete RunPod pods by the length of Kinomill's queues: `python3 autoscaler.py --help`.

One loop, one pool of pods that all serve the same models. It asks `GET /v1/queues` of the API and
lists its pods with RunPod's REST API, version 2. While jobs wait, it creates pods, up to a maximum.
It deletes pods only after no job of their models has waited or run for `--idle` seconds: it does
not know which pod is busy, so as long as one is, all stay. Pods that have ended are deleted at
once, because their disk costs money. Python 3.11 or newer is all that it needs.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

RUNPOD = "https://api.runpod.io/v2"
ENDED = frozenset({"EXITED", "ERROR"})
"""States of pods that cost disk, but run nothing."""
GONE = "TERMINATED"
HTTP_SECONDS = 30


class CallFailed(Exception):
    """A request to one of the two APIs failed; the sentence says which and why."""


@dataclass(frozen=True)
class Api:
    """A JSON API with a bearer key. Raises `CallFailed`."""

    url: str
    key: str | None

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Send a request, return the decoded response, None if it is empty."""
        headers = {"Content-Type": "application/json", "User-Agent": "kinomill-autoscaler"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.url}{path}", data, headers, method=method)
        try:
            with urlopen(request, timeout=HTTP_SECONDS) as response:
                content = response.read()
            return json.loads(content) if content else None
        except HTTPError as error:
            with error:
                detail = error.read(500).decode(errors="replace")
            raise CallFailed(f"{method} {self.url}{path}: {error.code} {detail}") from error
        except (URLError, TimeoutError, ValueError) as error:
            raise CallFailed(f"{method} {self.url}{path}: {error}") from error


@dataclass(frozen=True)
class Pod:
    """A pod of ours, by RunPod's id."""

    id: str
    status: str


@dataclass(frozen=True)
class Plan:
    """What one round changes."""

    create: int
    delete: tuple[str, ...]


@dataclass(frozen=True)
class Limits:
    """How many pods there may be, and when the last ones go."""

    minimum: int
    maximum: int
    idle_seconds: float


def demand(queues: dict[str, Any], models: frozenset[str]) -> int:
    """Jobs of these models that need a worker: running ones, and waiting ones that may begin."""
    return sum(queue["demand"] for queue in queues["items"] if queue["model"] in models)


def plan(pods: list[Pod], wanted: int, limits: Limits, *, idle_seconds: float) -> Plan:
    """What to create and to delete; `idle_seconds` is how long no job has waited or run."""
    ended = [pod.id for pod in pods if pod.status in ENDED]
    alive = [pod.id for pod in pods if pod.status not in ENDED and pod.status != GONE]
    missing = min(max(wanted, limits.minimum), limits.maximum) - len(alive)
    surplus = alive[limits.minimum :] if idle_seconds >= limits.idle_seconds and not wanted else []
    return Plan(max(missing, 0), (*ended, *surplus))


def list_pods(runpod: Api, name: str) -> list[Pod]:
    """All pods of this name, over all pages."""
    found: list[Pod] = []
    query: dict[str, str] = {}
    while True:
        page = runpod.call("GET", f"/pods?{urlencode(query)}" if query else "/pods")
        found += [Pod(pod["id"], pod["status"]) for pod in page["pods"] if pod["name"] == name]
        cursor = (page.get("pagination") or {}).get("nextCursor")
        if not cursor:
            return found
        query = {"cursor": cursor}


class Autoscaler:
    """Compares the queues with the pods, round by round."""

    def __init__(self, kinomill: Api, runpod: Api, options: argparse.Namespace) -> None:
        self._kinomill = kinomill
        self._runpod = runpod
        self._body = json.loads(options.pod.read_text())
        self._models = frozenset(self._body["env"]["KINOMILL_MODELS"].split(","))
        self._limits = Limits(options.min, options.max, options.idle)
        self._dry_run = options.dry_run
        self._busy_at = time.monotonic()

    def round(self) -> None:
        """Look and act once. Raises `CallFailed`: nothing is deleted then."""
        wanted = demand(self._kinomill.call("GET", "/v1/queues"), self._models)
        if wanted:
            self._busy_at = time.monotonic()
        pods = list_pods(self._runpod, self._body["name"])
        idle = time.monotonic() - self._busy_at
        step = plan(pods, wanted, self._limits, idle_seconds=idle)
        say(f"{wanted} jobs, {len(pods)} pods: create {step.create}, delete {len(step.delete)}")
        for pod in step.delete:
            self._act("DELETE", f"/pods/{pod}")
        if step.create:
            body = self._body | {"env": filled(self._body["env"])}
            for _ in range(step.create):
                self._act("POST", "/pods", body)

    def _act(self, method: str, path: str, body: dict[str, Any] | None = None) -> None:
        if self._dry_run:
            say(f"would send {method} {path}")
            return
        answer = self._runpod.call(method, path, body)
        say(f"{method} {path}" + (f": pod {answer['id']}" if answer else ""))


def filled(env: dict[str, str]) -> dict[str, str]:
    """The variables, with `${NAME}` taken from the environment. Raises `CallFailed`."""
    result = {}
    for name, value in env.items():
        source = value.removeprefix("${").removesuffix("}")
        if value == f"${{{source}}}":
            if source not in os.environ:
                raise CallFailed(f"the pod's {name} is {value}, but {source} is not set")
            value = os.environ[source]
        result[name] = value
    return result


def say(text: str) -> None:
    """Write a line with the time."""
    sys.stderr.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {text}\n")


def arguments(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Create and delete RunPod pods by the length of Kinomill's queues.",
        epilog="The environment has KINOMILL_URL and KINOMILL_KEY (scope read) of the API, "
        "RUNPOD_API_KEY, and the variables that the file of the pod names as ${NAME}.",
    )
    pod = Path(__file__).parent / "pod.json"
    parser.add_argument("--pod", type=Path, default=pod, help="body of a new pod (pod.json)")
    parser.add_argument("--min", type=int, default=0, help="pods that always run (default: 0)")
    parser.add_argument("--max", type=int, default=1, help="most pods (default: 1)")
    parser.add_argument(
        "--idle", type=float, default=600, help="seconds without jobs (default: 600)"
    )
    parser.add_argument("--every", type=float, default=30, help="seconds between rounds")
    parser.add_argument("--once", action="store_true", help="one round, then end")
    parser.add_argument("--dry-run", action="store_true", help="change nothing, say what would be")
    parser.add_argument("--runpod-url", default=RUNPOD, help="address of RunPod's API")
    given = parser.parse_args(argv)
    if not 0 <= given.min <= given.max:
        parser.error("--min and --max must be numbers from 0, the first not above the second")
    return given


def main(argv: list[str] | None = None) -> int:
    """Run rounds until the end; a failed one is reported and tried again."""
    options = arguments(argv)
    key = os.environ.get("RUNPOD_API_KEY")
    if not key:
        sys.stderr.write("autoscaler: set RUNPOD_API_KEY to a key of RunPod that may manage pods\n")
        return 2
    url = os.environ.get("KINOMILL_URL", "http://127.0.0.1:8000").rstrip("/")
    kinomill = Api(url, os.environ.get("KINOMILL_KEY"))
    scaler = Autoscaler(kinomill, Api(options.runpod_url.rstrip("/"), key), options)
    while True:
        try:
            scaler.round()
        except CallFailed as error:
            say(str(error))
            if options.once:
                return 1
        if options.once:
            return 0
        time.sleep(options.every)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
