"""One PostgreSQL and one broker for all contestants, with a database for each start."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from redis import Redis
from sqlalchemy import text
from sqlalchemy.engine import make_url

from bench.process_tree import tree_cpu_seconds
from cli.embedded.postgres import Postgres
from cli.embedded.valkey import Valkey
from runtime.database import create_database_engine

if TYPE_CHECKING:
    from cli.traces.collector import Collector


class Servers:
    """Embedded servers in a temporary folder, durable as in production: fsync stays on."""

    def __init__(self, *, max_connections: int = 100) -> None:
        self._settings = {"max_connections": str(max_connections)}

    def __enter__(self) -> Self:
        self.home = Path(tempfile.mkdtemp(prefix="kinomill-bench-"))
        self.home.chmod(0o711)
        self._postgres = Postgres(self.home, settings=self._settings)
        self._valkey = Valkey(self.home)
        self.database_url, self.redis_url = self._postgres.start(), self._valkey.start()
        self._databases = 0
        self._opened = ExitStack()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()
        self._valkey.stop()
        self._postgres.stop()
        shutil.rmtree(self.home)

    @cached_property
    def collector(self) -> Collector:
        """Takes the traces of the programs, in a thread of this process."""
        from cli.traces.collector import collecting

        return self._opened.enter_context(collecting())

    def create_database(self) -> str:
        """Create an empty database, empty the broker, and finish pending writes."""
        self._databases += 1
        name = f"bench_{self._databases}"
        self.query(f"CREATE DATABASE {name}")
        self.query("CHECKPOINT")
        with Redis.from_url(self.redis_url) as redis:
            redis.flushall()
        return make_url(self.database_url).set(database=name).render_as_string(False)

    def drop_database(self, url: str) -> None:
        self.query(f"DROP DATABASE {make_url(url).database} WITH (FORCE)")

    def query(self, command: str, url: str | None = None) -> Any:
        """Run one SQL command outside a transaction; returns its first value, if any."""
        engine = create_database_engine(url or self.database_url)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            done = connection.execute(text(command))
            value = done.scalar() if done.returns_rows else None
        engine.dispose()
        return value

    def cpu_seconds(self) -> float:
        """CPU time of both servers so far."""
        pids = [int((self.home / f"{name}.pid").read_text().split()[0]) for name in self._names]
        return sum(tree_cpu_seconds(pid) for pid in pids)

    _names = ("postgres", "valkey")
