"""The API and maintenance as processes, which are killed and started again."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from accounts import api_keys
from accounts.api_keys import Scope
from bench.service.programs import Program, answers
from cli.stack import free_port
from tests.soak.callers import OPERATOR
from tests.waiting import until
from tests.workers.process import ROOT

if TYPE_CHECKING:
    import subprocess


@dataclass
class Supervised:
    """A program that a supervisor starts again when it has ended."""

    name: str
    command: list[str]
    variables: dict[str, str]
    log: object
    """Path of its log."""
    process: subprocess.Popen | None = None
    crashes: list[str] = field(default_factory=list)
    """Ends that nobody asked for."""
    _asked: bool = True

    def keep(self):
        """Start it if it does not run."""
        if self.process is None or self.process.poll() is not None:
            if not self._asked:
                self.crashes.append(f"{self.name} ended with {self.process.returncode}")
            self._asked = False
            command = [sys.executable, "-m", "cli.main", *self.command]
            env = os.environ | self.variables
            self.process = Program.start(command, folder=ROOT, env=env, log=self.log).process

    def end(self, sign=signal.SIGKILL):
        """End it, and wait until it has ended."""
        self._asked = True
        if self.process is not None:
            self.process.send_signal(sign)
            self.process.wait(60)


@dataclass
class Programs:
    """The API on a port that stays, and maintenance with its webhook sender."""

    cluster: object
    variables: dict[str, str]
    """Settings that differ from those of the cluster."""
    port: int = field(default_factory=free_port)

    def __enter__(self):
        folder = self.cluster.folder
        (folder / "scratch").mkdir()
        values = self.cluster.environment(folder, ["tests.faults.faulty_model:CARD"])
        values |= self.variables | {
            "KINOMILL_AUTH": "keys",
            "KINOMILL_PUBLIC_URL": self.url,
            "KINOMILL_FETCH_ALLOW_HTTP": "true",
            "KINOMILL_FETCH_NETWORKS": json.dumps(["127.0.0.0/8"]),
        }
        self.api = Supervised("api", ["api", "--port", str(self.port)], values, folder / "api.log")
        self.maintenance = Supervised(
            "maintenance", ["maintenance"], values, folder / "maintenance.log"
        )
        return self

    def __exit__(self, *_):
        for program in (self.api, self.maintenance):
            program.end()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def keep(self):
        """Start what does not run."""
        self.api.keep()
        self.maintenance.keep()

    def await_ready(self):
        """Wait until the API is ready."""
        until(lambda: self.api.crashes or answers(f"{self.url}/readyz"), what="the API")
        assert not self.api.crashes, self.api.log.read_text()[-2000:]

    @property
    def crashes(self):
        """Ends of the programs that nobody asked for."""
        return self.api.crashes + self.maintenance.crashes


def create_keys(sessions, accounts):
    """An API key for each account, and one of scope admin for the operator."""
    keys = {}
    with sessions.begin() as session:
        for account in (*accounts, OPERATOR):
            scopes = (Scope.ADMIN,) if account == OPERATOR else (Scope.SUBMIT, Scope.READ)
            keys[account] = api_keys.create(session, account=account, name="soak", scopes=scopes)[1]
    return keys
