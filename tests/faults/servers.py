"""A PostgreSQL and a Valkey of a test's own: to be killed, frozen, filled and brought back."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from contextlib import contextmanager
from pathlib import Path

from redis import Redis
from sqlalchemy import text

from cli.embedded.postgres import Postgres
from cli.embedded.valkey import Valkey
from migrations.metadata import METADATA
from migrations.upgrade import upgrade
from runtime.database import create_database_engine, create_session_factory
from tests.waiting import until

EMPTY = text(f"TRUNCATE {', '.join(METADATA.tables)}")


class Servers:
    """Both servers in a home of their own, with a connection to each that outlives restarts."""

    def __init__(self):
        self.home = Path(tempfile.mkdtemp(prefix="kinomill-faults-"))
        self.home.chmod(0o711)
        self._postgres, self._valkey = Postgres(self.home), Valkey(self.home)

    def __enter__(self):
        self.database_url, self.broker_url = self._postgres.start(), self._valkey.start()
        upgrade(self.database_url)
        self.engine = create_database_engine(self.database_url)
        self.sessions = create_session_factory(self.engine)
        self.redis = Redis.from_url(self.broker_url)
        return self

    def __exit__(self, *_):
        self.redis.close()
        self.engine.dispose()
        self._valkey.stop()
        self._postgres.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def clear(self):
        """Forget all jobs and all calls. No worker may be at work."""
        self.redis.flushall()
        with self.engine.begin() as connection:
            connection.execute(EMPTY)

    def kill_broker(self):
        """SIGKILL, and not a byte of what it held comes back."""
        self._signal("valkey", signal.SIGKILL)
        until(lambda: not self._valkey.running(), what="the end of Valkey")
        shutil.rmtree(self.home / "valkey" / "appendonlydir", ignore_errors=True)

    def start_broker(self):
        assert self._valkey.start() == self.broker_url, "Valkey came back elsewhere"

    def stop_database(self):
        """`immediate`: every session is cut, nothing is written down; a crash, in short."""
        self._signal("postgres", signal.SIGQUIT)
        until(lambda: not self._postgres.running(), what="the end of PostgreSQL")

    def start_database(self):
        assert self._postgres.start() == self.database_url, "PostgreSQL came back elsewhere"

    @contextmanager
    def full_broker(self):
        """Valkey refuses whatever would need memory, until the block ends."""
        self.redis.config_set("maxmemory", "1mb")
        try:
            yield
        finally:
            self.redis.config_set("maxmemory", "0")

    def _signal(self, server, sign):
        os.kill(int((self.home / f"{server}.pid").read_text().split()[0]), sign)
