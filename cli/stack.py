"""All of Kinomill on this machine: start and stop servers and programs in order, migrate."""

from __future__ import annotations

import fcntl
import os
import secrets
import shlex
import signal
import socket
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Self

from cli.embedded.data_dir import create, write_private
from cli.embedded.errors import explained
from cli.errors import StackError
from cli.programs import Program
from cli.settings import environment
from kinomill.cli.output import command_name
from runtime.postgres.pooler import Pooler
from runtime.settings import direct_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from cli.embedded.postgres import Postgres
    from cli.embedded.valkey import Valkey
    from cli.settings import CliSettings

READY_SECONDS = 90.0
STOP_SECONDS = 60.0
DRAIN_SECONDS = 3
"""How long Ctrl-C waits for a running job; then the job is preempted and runs at the next start."""
WATCH_SECONDS = 0.3


@dataclass
class Stack:
    """One running Kinomill; `home` is the folder of all its data."""

    home: Path
    port: int
    settings: CliSettings
    say: Callable[[str], None] = print
    variables: Mapping[str, str] = field(default_factory=dict)
    """Further variables of all programs."""
    programs: list[Program] = field(default_factory=list)
    database_url: str = field(default="", repr=False)
    redis_url: str = field(default="", repr=False)
    _servers: list[Postgres | Valkey] = field(default_factory=list)

    @property
    def url(self) -> str:
        """URL of the API."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def storage(self) -> str:
        """Folder or bucket of inputs and results."""
        return self.settings.storage or str(self.home / "objects")

    def __enter__(self) -> Self:
        with explained(self.home):
            create(self.home)
            (self.home / "logs").mkdir(mode=0o700, exist_ok=True)
            self._lock = _claim(self.home)
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with _no_interrupt():
            for program in self.programs:
                program.ask_to_stop()
            for program in self.programs:
                program.await_end()
            for server in reversed(self._servers):
                server.stop()
            self._lock.close()

    def watch(self) -> None:
        """Restart programs that end, until this process is interrupted."""
        while True:
            for program in self.programs:
                if program.restart_if_exited():
                    self.say(f"{program.name} ended and was restarted")
            time.sleep(WATCH_SECONDS)

    def _start(self) -> None:
        _refuse_taken(self.port)
        self.database_url, self.redis_url = self._database(), self._broker()
        self.say("migrating the database")
        self._migrate()
        alive = self.home / "worker.alive"
        alive.unlink(missing_ok=True)
        env = environment(
            DATABASE_URL=self.database_url,
            KINOMILL_DATABASE_POOLER=self._pooler,
            REDIS_URL=self.redis_url,
            KINOMILL_STORAGE=self.storage,
            KINOMILL_SECRET_KEY=self._secret(),
            KINOMILL_PUBLIC_URL=self.url,
            KINOMILL_HEARTBEAT_FILE=str(alive),
            KINOMILL_DRAIN_WINDOW=str(DRAIN_SECONDS),
            **self.variables,
        )
        self.say("starting API, maintenance and worker")
        self.programs = [
            self._program("api", ["api", "--port", str(self.port)], env),
            self._program("maintenance", ["maintenance"], env),
            self._program("worker", ["worker"], env),
        ]
        for program in self.programs:
            program.start()
        self._await_ready(lambda: _answers(self.url) and alive.exists())

    def _database(self) -> str:
        if self.settings.database_url is not None:
            return self.settings.database_url.get_secret_value()
        from cli.embedded.postgres import Postgres

        self.say("starting PostgreSQL")
        server = Postgres(self.home)
        self._servers.append(server)
        return server.start()

    def _migrate(self) -> None:
        """Migrate the database itself, also if programs reach it through a pooler."""
        settings = self.settings
        if settings.database_url is None:
            migrate(self.database_url)
            return
        pooled, direct = settings.database_url, settings.migration_database_url
        try:
            url = direct_url(pooled, direct, self._pooler)
        except ValueError as error:
            raise StackError(str(error)) from error
        migrate(url, pooler=self._pooler)

    @property
    def _pooler(self) -> Pooler:
        embedded = self.settings.database_url is None
        return Pooler.NONE if embedded else self.settings.database_pooler

    def _broker(self) -> str:
        if self.settings.redis_url is not None:
            return self.settings.redis_url.get_secret_value()
        from cli.embedded.valkey import Valkey

        self.say("starting Valkey")
        server = Valkey(self.home)
        self._servers.append(server)
        return server.start()

    def _program(self, name: str, arguments: list[str], env: dict[str, str]) -> Program:
        log = self.home / "logs" / f"{name}.log"
        return Program(name, arguments, log, env, grace_seconds=DRAIN_SECONDS + 15)

    def _secret(self) -> str:
        if self.settings.secret_key is not None:
            return self.settings.secret_key.get_secret_value()
        path = self.home / "secret"
        with explained(self.home):
            if not path.exists():
                write_private(path, secrets.token_hex(32))
            return path.read_text()

    def _await_ready(self, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not ready():
            for program in self.programs:
                program.restart_if_exited()
            if time.monotonic() > deadline:
                words = "\n".join(program.log_tail() for program in self.programs)
                raise StackError(f"not ready after {READY_SECONDS:.0f} s\n{words}")
            time.sleep(0.1)


def stop(home: Path, say: Callable[[str], None]) -> bool:
    """Stop everything in this home, including servers of a killed run. False if nothing ran."""
    pid = _owner(home)
    if pid is not None:
        say(f"stopping Kinomill (process {pid})")
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        _await_free(home)
    found = pid is not None
    if home.exists():
        from cli.embedded.postgres import Postgres
        from cli.embedded.valkey import Valkey

        for server in (Valkey(home), Postgres(home)):
            if server.running():
                found = True
                say(f"stopping {type(server).__name__}")
                server.stop()
    return found


def free_port() -> int:
    """A port on which nothing listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _claim(home: Path) -> IO[str]:
    """Own this home until the file is closed; the kernel releases it if this process is killed."""
    file = (home / "owner").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise StackError(
            f"Kinomill already runs in {home}; stop it with "
            f"`{command_name()} down --home {shlex.quote(str(home))}`, or name another folder in "
            "KINOMILL_HOME"
        ) from error
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def _owner(home: Path) -> int | None:
    """The pid of the process that owns this home, if there is one."""
    try:
        with (home / "owner").open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return int((home / "owner").read_text())
    except FileNotFoundError:
        return None
    return None


def _await_free(home: Path) -> None:
    deadline = time.monotonic() + STOP_SECONDS
    while _owner(home) is not None:
        if time.monotonic() > deadline:
            raise StackError(f"Kinomill in {home} did not stop within {STOP_SECONDS:.0f} s")
        time.sleep(0.1)


def _refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise StackError(
                f"port {port} is in use by another program; choose another one with --port"
            ) from error


def _answers(url: str) -> bool:
    import httpx

    try:
        return httpx.get(f"{url}/readyz", timeout=2, trust_env=False).is_success
    except httpx.TransportError:
        return False


def migrate(url: str, *, pooler: Pooler = Pooler.NONE) -> tuple[str | None, str | None]:
    """Upgrade a database to the newest schema; returns the revisions before and after."""
    from sqlalchemy.exc import DBAPIError

    from cli.database_fault import fault_of
    from migrations.upgrade import UnsuitableDatabase, upgrade

    try:
        return upgrade(url, pooler=pooler)
    except UnsuitableDatabase as error:
        raise StackError(str(error)) from error
    except DBAPIError as error:
        raise StackError(f"nothing was migrated: {fault_of(error)}") from error


def grant_to_autoscalers(url: str) -> bool:
    """Let autoscalers read the depth of the queues; whether they may then."""
    from sqlalchemy.exc import DBAPIError

    from cli.database_fault import fault_of
    from migrations.upgrade import grant_to_autoscalers as grant

    try:
        return grant(url)
    except DBAPIError as error:
        raise StackError(f"autoscalers were granted nothing: {fault_of(error)}") from error


@contextmanager
def _no_interrupt() -> Iterator[None]:
    """Ignore a second Ctrl-C, which would leave servers running."""
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, signal.SIG_IGN) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)
