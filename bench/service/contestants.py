"""What is compared: how to start the programs of each contestant, and how to call its API."""

from __future__ import annotations

import json
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accounts import api_keys
from accounts.api_keys import Scope
from bench.load.http import Client, follow
from bench.service.peer_environments import PEERS, peer_python
from bench.service.programs import Program, answers
from cli.settings import environment
from cli.stack import free_port, migrate
from runtime.database import create_database_engine, create_session_factory

if TYPE_CHECKING:
    from bench.service.servers import Servers

ROOT = Path(__file__).parents[2]
BODY = json.dumps({"model": "noop", "input": {"prompt": "nothing"}})
UVICORN = ["--log-level", "warning", "--no-access-log"]
RAISED_LIMITS = {
    "KINOMILL_MAX_ACTIVE_PER_ACCOUNT": "1000000",
    "KINOMILL_MAX_QUEUE_LENGTH": "1000000",
    "KINOMILL_MAX_QUEUE_SECONDS": "P30D",
}
"""Limits of ours that a benchmark would exceed. The peers have none."""
KINOMILL = [sys.executable, "-m", "cli.main"]
TAKES_JOBS = "SELECT count(*) FROM workers WHERE models != '[]' AND drained_at IS NULL"
"""Workers whose children have loaded the model: before, they consume no queue."""
WORKS = "SELECT count(*) FROM maintenance_beats"
"""Maintenance that has ended its imports and begun its rounds."""
JOB_SECONDS = 60
SAMPLED = "0.01"
"""Share of the submissions that are traced."""


class Contestant(ABC):
    """One start of a service, on a database of its own."""

    name: str
    headers: dict[str, str]
    ready_path: str
    succeeded = "status IN ('succeeded')"
    """SQL condition on `jobs_table`."""
    jobs_table = "jobs"
    has_wait = False
    """Whether `GET …?wait=` is offered."""
    program_url: str
    """URL of the database for the API and the workers that are started from now on."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self.headers = {}
        self.database_url = self.program_url = servers.create_database()
        self.port = free_port()
        self.programs: list[Program] = []
        self.prepare()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start_api(self) -> Program:
        """Start the API, and wait until it is ready."""
        program = self._start("api", self.api_command())
        program.await_ready(lambda: answers(self.url + self.ready_path))
        return program

    @abstractmethod
    def prepare(self) -> None:
        """Create the schema, if the programs do not create it."""

    @abstractmethod
    def api_command(self) -> list[str]: ...

    @abstractmethod
    def start_workers(self, count: int) -> list[Program]:
        """Start what runs `count` jobs at a time, and wait until it is ready."""

    def run_job(self) -> str:
        """Submit a job, wait for its end, and return its id."""
        client = Client(self.url, self.headers)
        _, job = client.call("POST", "/v1/jobs", BODY.encode())
        follow(client, job["id"], query="", pause=0.02, limit=JOB_SECONDS)
        client.close()
        return str(job["id"])

    def count_succeeded(self) -> str:
        """SQL that counts the jobs that succeeded."""
        return f"SELECT count(*) FROM {self.jobs_table} WHERE {self.succeeded}"

    def stop(self, programs: list[Program] | None = None) -> None:
        """Stop these programs; by default all, and delete the database."""
        for program in reversed(self.programs if programs is None else programs):
            program.stop()
        if programs is None:
            self._servers.drop_database(self.database_url)

    def _start(self, name: str, command: list[str], **variables: str) -> Program:
        program = Program.start(
            command,
            folder=self.folder,
            env=environment(**(self.variables() | variables)),
            log=self._log(name),
        )
        self.programs.append(program)
        return program

    @property
    def folder(self) -> Path:
        return PEERS

    def variables(self) -> dict[str, str]:
        return {
            "DATABASE_URL": self.program_url,
            "REDIS_URL": self._servers.redis_url,
            "PYTHONPATH": "",
        }

    def _log(self, name: str) -> Path:
        return self._servers.home / f"{self.name}-{name}.log"


class Kinomill(Contestant):
    """Ours, with API keys, maintenance, and a model that does nothing."""

    name = "kinomill"
    ready_path = "/readyz"
    succeeded = "state = 'succeeded'"
    has_wait = True
    folder = ROOT
    limits = RAISED_LIMITS

    def prepare(self) -> None:
        migrate(self.database_url)
        engine = create_database_engine(self.database_url)
        with create_session_factory(engine).begin() as session:
            scopes = (Scope.SUBMIT, Scope.READ)
            _, key = api_keys.create(session, account="bench", name="bench", scopes=scopes)
        engine.dispose()
        self.headers = {"Authorization": f"Bearer {key}"}

    def api_command(self) -> list[str]:
        return [*KINOMILL, "api", "--port", str(self.port)]

    def start_workers(self, count: int) -> list[Program]:
        """Start workers and maintenance; wait until all have loaded what they need."""
        self._servers.query("TRUNCATE workers, maintenance_beats", self.database_url)
        programs = [
            self._start("worker", [*KINOMILL, "worker", "--name", f"bench-{number}@host"])
            for number in range(count)
        ]
        # past the proxy of `bench.statements`, which counts the statements of a worker
        maintenance = self.start_maintenance(DATABASE_URL=self.database_url)
        for program in programs:
            program.await_ready(lambda: self._count(TAKES_JOBS) >= count)
        maintenance.await_ready(lambda: self._count(WORKS) > 0)
        return [*programs, maintenance]

    def _count(self, query: str) -> int:
        return int(self._servers.query(query, self.database_url))

    def start_maintenance(self, **variables: str) -> Program:
        """Start maintenance, with these variables instead of the usual ones."""
        return self._start("maintenance", [*KINOMILL, "maintenance"], **variables)

    def variables(self) -> dict[str, str]:
        home = self._servers.home
        return {
            "DATABASE_URL": self.program_url,
            "REDIS_URL": self._servers.redis_url,
            "KINOMILL_AUTH": "keys",
            "KINOMILL_LOG_LEVEL": "WARNING",
            "KINOMILL_MODELS": json.dumps(["bench.noop.card:CARD"]),
            "KINOMILL_STORAGE": str(home / "objects"),
            "KINOMILL_WEIGHTS": str(home / "weights"),
            "KINOMILL_SECRET_KEY": "0" * 64,
            "KINOMILL_PUBLIC_URL": self.url,
            "KINOMILL_DRAIN_WINDOW": "2",
            "PYTHONPATH": str(ROOT),
            **self.limits,
        }


class KinomillTelemetry(Kinomill):
    """Ours with traces, sampled as docs/traces.md advises for many submissions, and metrics."""

    name = "kinomill-telemetry"

    def variables(self) -> dict[str, str]:
        return {
            **super().variables(),
            "OTEL_EXPORTER_OTLP_ENDPOINT": self._servers.collector.endpoint,
            "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": SAMPLED,
            "KINOMILL_METRICS": "true",
        }


class Naive(Contestant):
    """FastAPI, SQLAlchemy and Celery."""

    name = "naive"
    ready_path = "/docs"

    def __init__(self, servers: Servers, environments: Path) -> None:
        self._python = str(peer_python(self.name, environments))
        super().__init__(servers)

    def prepare(self) -> None:
        """Nothing: the API creates its table."""

    def api_command(self) -> list[str]:
        return [self._python, "-m", "uvicorn", "naive:api", "--port", str(self.port), *UVICORN]

    def start_workers(self, count: int) -> list[Program]:
        options = ["-c", str(count), "--loglevel", "ERROR"]
        command = [self._python, "-m", "celery", "-A", "naive:tasks", "worker", *options]
        program = self._start("worker", command)
        self.run_job()
        return [program]


class Procrastinate(Contestant):
    """FastAPI and procrastinate, which keeps its queue in PostgreSQL."""

    name = "procrastinate"
    ready_path = "/docs"
    jobs_table = "procrastinate_jobs"

    def __init__(self, servers: Servers, environments: Path) -> None:
        self._python = str(peer_python(self.name, environments))
        super().__init__(servers)

    def prepare(self) -> None:
        program = self._start("schema", [*self._command, "schema", "--apply"])
        if program.process.wait():
            raise RuntimeError(program.log.read_text())

    def api_command(self) -> list[str]:
        app = "procrastinate_api:api"
        return [self._python, "-m", "uvicorn", app, "--port", str(self.port), *UVICORN]

    def start_workers(self, count: int) -> list[Program]:
        program = self._start("worker", [*self._command, "worker", "--concurrency", str(count)])
        self.run_job()
        return [program]

    @property
    def _command(self) -> list[str]:
        return [self._python, "-m", "procrastinate", "--app", "procrastinate_api.queue"]


NAMES = ("kinomill", "naive", "procrastinate")


def create(name: str, servers: Servers, environments: Path) -> Contestant:
    """Prepare one start of a contestant."""
    if name == "kinomill":
        return Kinomill(servers)
    kinds: dict[str, Any] = {"naive": Naive, "procrastinate": Procrastinate}
    contestant: Contestant = kinds[name](servers, environments)
    return contestant
