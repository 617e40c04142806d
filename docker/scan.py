"""Run an image and check its contents: `python3 docker/scan.py api kinomill/api:0.1.0`.

The container runs as the image's own user with a read-only root, a /tmp, no capabilities and no
network. Exit code 1 if the image contains a compiler, pip, tests, weights, a possible secret (in
files, the environment or the history), an unexpected writable folder, or a program that cannot be
imported. For the API image, it also starts the API, which must become healthy and stop on SIGTERM.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PROBE = Path(__file__).with_name("probe.py")
UID = 10001
WRITABLE = ["/tmp", "/weights", "/var/lib/kinomill/objects"]
RESTRICTIONS = [
    "--read-only", "--tmpfs=/tmp:mode=1777", "--cap-drop=ALL",
    "--security-opt=no-new-privileges", "--network=none",
]  # fmt: skip
SECRET_NAME = re.compile(
    r"(TOKEN|SECRET|PASSWORD|API_KEY|CREDENTIALS)[A-Z_]*=[^\s$\"']", re.IGNORECASE
)
MAX_SHARE_WITHOUT_BYTECODE = 0.03
"""Share of the imported modules that may lack bytecode: a few are not worth listing."""
SETTINGS = {
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "KINOMILL_STORAGE": "/var/lib/kinomill/objects",
    "KINOMILL_SECRET_KEY": "only-for-the-scan-" + "x" * 32,
    "KINOMILL_ALLOW_ANONYMOUS": "true",
}


def main() -> None:
    """Print the findings and the problems among them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("kind", choices=("api", "worker"))
    parser.add_argument("image")
    options = parser.parse_args()
    findings = probe(options.kind, options.image)
    problems = check_findings(findings) + check_config(options.image)
    if options.kind == "api":
        problems += check_api_start(options.image)
    sys.stdout.write(json.dumps({**findings, "problems": problems}, indent=1) + "\n")
    sys.exit(bool(problems))


def probe(kind: str, image: str) -> dict[str, Any]:
    """The findings of docker/probe.py in a container."""
    command = [
        "docker",
        "run",
        "--rm",
        "-i",
        *RESTRICTIONS,
        *environment_options(),
        image,
        "python",
        "-",
        kind,
    ]
    ran = subprocess.run(command, input=PROBE.read_bytes(), stdout=subprocess.PIPE, check=False)
    if ran.returncode:
        sys.exit(f"the probe ended with {ran.returncode} in {image}")
    findings: dict[str, Any] = json.loads(ran.stdout)
    return findings


def check_findings(findings: dict[str, Any]) -> list[str]:
    """Problems among the findings of the probe."""
    problems = [
        f"{key}: {', '.join(map(str, findings[key]))}"
        for key in ("compilers", "installers", "tests", "weights", "secrets")
        if findings[key]
    ]
    if findings["uid"] != UID:
        problems.append(f"runs as {findings['uid']}")
    if findings["capabilities"]:
        problems.append(f"has capabilities {findings['capabilities']:x}")
    if findings["writable_root"] or not set(findings["writable"]) <= set(WRITABLE):
        problems.append("its root can be written to")
    if not findings["init"].startswith("tini"):
        problems.append(f"process 1 is {findings['init']}")
    if len(findings["without_bytecode"]) > MAX_SHARE_WITHOUT_BYTECODE * findings["modules"]:
        problems.append(f"{len(findings['without_bytecode'])} imported modules have no bytecode")
    return problems


def check_config(image: str) -> list[str]:
    """Problems of the image's configuration and history."""
    (config,) = json.loads(_docker("image", "inspect", image))
    settings = config["Config"]
    problems = []
    if settings.get("User") != f"{UID}:{UID}":
        problems.append(f"its user is {settings.get('User')!r}")
    if settings.get("StopSignal") != "SIGTERM":
        problems.append(f"its stop signal is {settings.get('StopSignal')!r}")
    if not settings.get("Healthcheck"):
        problems.append("it has no health check")
    labels = settings.get("Labels") or {}
    if "org.opencontainers.image.version" not in labels:
        problems.append("it has no version label")
    history = "\n".join([*settings["Env"], _docker("history", "--no-trunc", image)])
    secrets = SECRET_NAME.finditer(history)
    return problems + [f"a secret in its history: {match[0]}" for match in secrets]


def check_api_start(image: str, *, limit: float = 60) -> list[str]:
    """Start the API without its servers; it must become healthy and stop on SIGTERM."""
    container = _docker(
        "run", "-d", *RESTRICTIONS, "--health-interval=1s", *environment_options(), image
    ).strip()
    try:
        end = time.monotonic() + limit
        health = ""
        while health != "healthy" and time.monotonic() < end:
            time.sleep(0.2)
            health = _docker("inspect", "-f", "{{.State.Health.Status}}", container).strip()
        started = time.monotonic()
        _docker("stop", "--time=20", container)
        seconds = time.monotonic() - started
        code = _docker("inspect", "-f", "{{.State.ExitCode}}", container).strip()
    finally:
        _docker("rm", "-f", container)
    problems = [] if health == "healthy" else [f"the API is {health!r} after {limit:.0f} s"]
    if code not in {"0", "143"} or seconds > 10:
        problems.append(f"SIGTERM: exit code {code} after {seconds:.1f} s")
    return problems


def environment_options() -> list[str]:
    """Settings with which a program starts; the servers in them do not exist."""
    return [f"--env={key}={value}" for key, value in SETTINGS.items()]


def _docker(*words: str) -> str:
    ran = subprocess.run(["docker", *words], check=True, capture_output=True, text=True)
    return ran.stdout


if __name__ == "__main__":
    main()
