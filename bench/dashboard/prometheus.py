"""A Prometheus of its own that scrapes programs on this machine, and what it has stored."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx
import yaml

from cli.stack import free_port

if TYPE_CHECKING:
    from collections.abc import Mapping

RULES = Path(__file__).parents[2] / "deploy" / "monitoring" / "rules.yml"
READY_SECONDS = 30


class Prometheus:
    """Debian's `prometheus`, with the rules of `deploy/monitoring` and short intervals."""

    def __init__(
        self, home: Path, targets: Mapping[str, str], *, seconds: int = 1, rules: Path = RULES
    ) -> None:
        self._home = home
        self._rules = rules
        self._targets = targets
        """Addresses by the name of the job."""
        self._seconds = seconds
        self.url = f"http://127.0.0.1:{free_port()}"

    def __enter__(self) -> Self:
        program = shutil.which("prometheus")
        if program is None:
            raise SystemExit("prometheus is not installed: apt-get install prometheus")
        self._configure()
        self._log = (self._home / "prometheus.log").open("w")
        self._process = subprocess.Popen(
            [
                program,
                f"--config.file={self._home / 'prometheus.yml'}",
                f"--storage.tsdb.path={self._home / 'series'}",
                f"--web.listen-address={self.url.removeprefix('http://')}",
            ],
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self._await_ready()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)
        self._log.close()

    def alerts(self) -> list[dict[str, Any]]:
        """Pending and firing alerts."""
        return list(self._get("alerts")["alerts"])

    def targets(self) -> dict[str, str]:
        """The health of each scraped address by the name of its job."""
        active = self._get("targets")["activeTargets"]
        return {target["labels"]["job"]: target["health"] for target in active}

    def query(self, expression: str, begin: float, end: float, step: float) -> list[dict[str, Any]]:
        """The series of an expression over a time, each with `metric` and `values`."""
        span = {"start": begin, "end": end, "step": step}
        return list(self._get("query_range", query=expression, **span)["result"])

    def _configure(self) -> None:
        interval = f"{self._seconds}s"
        config = {
            "global": {"scrape_interval": interval, "evaluation_interval": interval},
            "rule_files": ["rules.yml"],
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": [address]}]}
                for job, address in self._targets.items()
            ],
        }
        (self._home / "prometheus.yml").write_text(yaml.safe_dump(config))
        shutil.copy(self._rules, self._home / "rules.yml")

    def _await_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                if httpx.get(f"{self.url}/-/ready", trust_env=False).is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.1)
        raise SystemExit(f"prometheus did not start: {self._home / 'prometheus.log'}")

    def _get(self, path: str, **parameters: Any) -> Any:
        response = httpx.get(f"{self.url}/api/v1/{path}", params=parameters, trust_env=False)
        answer = response.json()
        if answer["status"] != "success":
            raise ValueError(f"{answer['error']}: {parameters}")
        return answer["data"]
