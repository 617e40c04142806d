"""Run the compose stack, break parts of it, and check the result of a job: `make images-check`.

    python3 docker/check.py [--build] [--monitoring] [--keep] [--project NAME] [--port 8900]

Needs a Docker daemon with Compose, and nothing else. It starts compose.yaml as a separate project,
submits a job over REST, kills the worker during the job, restarts Redis, and expects one complete
result of the second attempt. It checks user and privileges of the containers, and finally removes
the stack. With --monitoring, Flower and Prometheus (ports 5555 and 9090) run too: all programs must
be scraped, and all rules must load.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import time
import urllib.request
import wave
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "cli" / "examples"
VOICE_SECONDS = 240
"""Long enough to kill a worker during the job."""
OURS = ("api", "maintenance", "worker")
MONITORS = ("flower", "prometheus")
SCRAPED = {"kinomill-api", "kinomill-worker", "kinomill-flower"}
"""The jobs of deploy/monitoring/prometheus.yml."""
PROMETHEUS = "http://127.0.0.1:9090/api/v1"
UID = "10001"
FIND = """
from pathlib import Path
print(*Path("/var/lib/kinomill/objects").glob("**/results/{}/*.mp4"))
"""


class CheckFailed(Exception):
    """A check failed; the text says which."""


@dataclass(frozen=True)
class Stack:
    """The compose project of this check."""

    project: str
    port: int

    def compose(self, *words: str, quiet: bool = False) -> str:
        """Run `docker compose …` for the project; returns its output."""
        command = ["docker", "compose", "--project-name", self.project, *words]
        settings = {"KINOMILL_PORT": str(self.port), "KINOMILL_PUBLIC_URL": self.url}
        done = subprocess.run(
            ["env", *(f"{name}={value}" for name, value in settings.items()), *command],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if quiet else None,
            text=True,
            check=False,
        )
        if done.returncode:
            raise CheckFailed(f"{' '.join(command)} ended with {done.returncode}\n{done.stdout}")
        return done.stdout

    @property
    def url(self) -> str:
        """URL of its API."""
        return f"http://127.0.0.1:{self.port}"

    def inspect(self, service: str) -> dict[str, Any]:
        """`docker inspect` of a service's container."""
        name = self.compose("ps", "--quiet", service).strip()
        shown = subprocess.run(["docker", "inspect", name], stdout=subprocess.PIPE, check=True)
        container: dict[str, Any] = json.loads(shown.stdout)[0]
        return container

    def monitoring(self, *words: str) -> str:
        """Run `docker compose …` including the services of the profile `monitoring`."""
        return self.compose("--profile", "monitoring", *words, quiet=True)

    def request(self, path: str, body: bytes | None = None, **headers: str) -> Any:
        """The JSON response of the API."""
        http_request = urllib.request.Request(
            self.url + path,
            data=body,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )
        with urllib.request.urlopen(http_request, timeout=60) as response:
            return json.load(response)

    def job(self, job_id: str) -> dict[str, Any]:
        """The current state of a job."""
        job: dict[str, Any] = self.request(f"/v1/jobs/{job_id}")
        return job


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--build", action="store_true", help="build the images first")
    parser.add_argument("--monitoring", action="store_true", help="also check Prometheus, Flower")
    parser.add_argument("--project", default="kinomill-check", help="name of the compose project")
    parser.add_argument("--port", type=int, default=8900, help="port of its API")
    parser.add_argument("--keep", action="store_true", help="keep the stack running")
    options = parser.parse_args()
    try:
        with running(
            Stack(options.project, options.port), build=options.build, keep=options.keep
        ) as stack:
            if options.monitoring:
                check_monitors(stack)
            check(stack)
    except CheckFailed as failed:
        sys.exit(f"images-check: {failed}")
    say("all checks passed")


@contextmanager
def running(stack: Stack, *, build: bool, keep: bool) -> Iterator[Stack]:
    subprocess.run(["sh", str(ROOT / "docker" / "secrets.sh")], check=True)
    started = time.monotonic()
    try:
        stack.compose("up", "--detach", "--wait", *(["--build"] if build else ["--no-build"]))
        say(f"all services are healthy after {time.monotonic() - started:.0f} s")
        yield stack
    except CheckFailed:
        print(stack.compose("logs", "--tail", "40", "--no-color"), file=sys.stderr)
        raise
    finally:
        if not keep:
            stack.monitoring("down", "--volumes", "--timeout", "20")


def check(stack: Stack) -> None:
    check_containers(stack)
    short = wait_for(stack, submit(stack, EXAMPLES / "voice.wav"))
    say(f"a job: {short['result']['frames']} frames in {sum(short['timings'].values()):.1f} s")
    with TemporaryDirectory() as folder:
        job_id = submit(stack, repeated_voice(Path(folder)))
    until(lambda: is_generating(stack.job(job_id)), "a job that is generating", seconds=600)
    say(f"killing the worker at {stack.job(job_id)['progress']['percent']} %")
    stack.compose("kill", "worker", quiet=True)
    stack.compose("restart", "redis", quiet=True)
    stack.compose("up", "--detach", "--wait", "--no-build", quiet=True)
    job = wait_for(stack, job_id)
    require(job["attempt"] == 2, f"the job took {job['attempt']} attempts, not 2")
    check_result(stack, job)
    say(f"one result after {job['attempt']} attempts, {job['result']['frames']} frames")


def check_containers(stack: Stack) -> None:
    for service in OURS:
        container = stack.inspect(service)
        host, user = container["HostConfig"], container["Config"]["User"]
        require(user.partition(":")[0] == UID, f"{service} runs as {user!r}")
        require(host["ReadonlyRootfs"], f"{service} can write to its image")
        require(host["CapDrop"] == ["ALL"], f"{service} has capabilities")
        status = stack.compose("exec", "-T", service, "cat", "/proc/1/status")
        rights = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        require(rights["CapEff"].strip("0") == "", f"{service} has {rights['CapEff']}")
        require(rights["Uid"].split()[0] == UID, f"{service} runs as {rights['Uid']}")
    say(f"{', '.join(OURS)}: uid {UID}, no capabilities, read-only")


def check_monitors(stack: Stack) -> None:
    """Prometheus scrapes every program that has metrics, and loads the rules."""
    stack.monitoring("up", "--detach", "--wait", "--no-build", *MONITORS)
    until(lambda: scraped() == dict.fromkeys(SCRAPED, "up"), "a scrape of every program")
    until(lambda: set(rule_health()) == {"ok"}, "an evaluation of every rule")
    say(f"Prometheus scrapes {', '.join(sorted(SCRAPED))} and runs {len(rule_health())} rules")


def scraped() -> dict[str, str]:
    """Health of each target of Prometheus, by its job."""
    try:
        active = prometheus("targets")["activeTargets"]
    except OSError:  # it does not listen yet
        return {}
    return {target["labels"]["job"]: target["health"] for target in active}


def rule_health() -> list[str]:
    """Health of each rule; "unknown" before its first evaluation."""
    return [rule["health"] for group in prometheus("rules")["groups"] for rule in group["rules"]]


def prometheus(path: str) -> Any:
    """The data of an answer of Prometheus."""
    with urllib.request.urlopen(f"{PROMETHEUS}/{path}", timeout=60) as response:
        return json.load(response)["data"]


def submit(stack: Stack, voice: Path) -> str:
    """Send the example's face with a voice, as a form; returns the job's id."""
    boundary = uuid4().hex
    parts = [b'name="model"\r\n\r\npreview-lipsync']
    for field, path in (("image", EXAMPLES / "face.jpg"), ("audio", voice)):
        head = f'name="{field}"; filename="{path.name}"\r\n\r\n'
        parts.append(head.encode() + path.read_bytes())
    body = b"".join(
        f"--{boundary}\r\nContent-Disposition: form-data; ".encode() + part + b"\r\n"
        for part in parts
    )
    body += f"--{boundary}--\r\n".encode()
    kind = f"multipart/form-data; boundary={boundary}"
    return str(stack.request("/v1/jobs", body, Content_Type=kind)["id"])


def repeated_voice(folder: Path) -> Path:
    """The example's voice, repeated for `VOICE_SECONDS`."""
    with wave.open(str(EXAMPLES / "voice.wav")) as voice:
        shape, frames = voice.getparams(), voice.readframes(voice.getnframes())
    path = folder / "long.wav"
    with wave.open(str(path), "wb") as longer:
        longer.setparams(shape)
        for _ in range(VOICE_SECONDS * shape.framerate // shape.nframes):
            longer.writeframes(frames)
    return path


def is_generating(job: dict[str, Any]) -> bool:
    require(job["status"] in {"queued", "running"}, f"the job is {job['status']} already")
    return job["phase"] == "generating" and (job["progress"]["percent"] or 0) > 3


def wait_for(stack: Stack, job_id: str) -> dict[str, Any]:
    until(lambda: stack.job(job_id)["ended_at"] is not None, f"the end of {job_id}", seconds=600)
    job = stack.job(job_id)
    require(job["status"] == "succeeded", f"{job_id} is {job['status']}: {job['error']}")
    return job


def check_result(stack: Stack, job: dict[str, Any]) -> None:
    with urllib.request.urlopen(job["result"]["url"], timeout=60) as response:
        video = response.read()
    require(hashlib.sha256(video).hexdigest() == job["result"]["sha256"], "the video is damaged")
    stored = stack.compose("exec", "-T", "api", "python", "-c", FIND.format(job["id"])).split()
    require(len(stored) == 1, f"there are {len(stored)} results: {stored}")


def until(condition: Callable[[], bool], what: str, *, seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        require(time.monotonic() < deadline, f"{what} did not happen within {seconds:.0f} s")
        time.sleep(0.5)


def require(condition: bool, message: str) -> None:
    if not condition:
        raise CheckFailed(message)


def say(text: str) -> None:
    print(f"images-check: {text}", flush=True)


if __name__ == "__main__":
    main()
