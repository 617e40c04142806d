"""A PostgreSQL and a Valkey for one test module, which tests kill, fill up and restart.

With a pooler the programs reach PostgreSQL through PgBouncer in transaction mode; tests do not.
"""

from __future__ import annotations

import os
import shutil
import signal
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from redis import Redis

from bench.service.pgbouncer import PgBouncer
from cli.embedded.postgres import Postgres
from cli.embedded.valkey import Valkey
from migrations.upgrade import upgrade
from runtime.database import create_database_engine, create_session_factory
from runtime.postgres.pooler import Pooler
from tests.database import empty, without_fsync
from tests.waiting import until


class Servers:
    """Both servers in a folder of their own, with a client of each that survives restarts."""

    def __init__(self, *, pooled=False):
        self._pooled, self.pooler = pooled, None
        self._folder = TemporaryDirectory(prefix="kinomill-faults-", ignore_cleanup_errors=True)
        self.home = Path(self._folder.name)
        self.home.chmod(0o711)
        self._valkey = Valkey(self.home)

    def __enter__(self):
        with without_fsync():
            self._postgres = Postgres(self.home)
            self.database_url = self._postgres.start()
        self.broker_url = self._valkey.start()
        upgrade(self.database_url, pooler=Pooler.TRANSACTION if self._pooled else Pooler.NONE)
        if self._pooled:
            self.pooler = PgBouncer(self.database_url, self.home / "pooler").__enter__()
        self.engine = create_database_engine(self.database_url)
        self.sessions = create_session_factory(self.engine)
        self.redis = Redis.from_url(self.broker_url)
        return self

    def __exit__(self, *_):
        self.redis.close()
        self.engine.dispose()
        if self.pooler is not None:
            self.pooler.kill()
        self._valkey.stop()
        self._postgres.stop()
        self._folder.cleanup()

    @property
    def program_url(self):
        """The URL of the database for programs."""
        return self.database_url if self.pooler is None else self.pooler.url

    @property
    def pooler_setting(self):
        """The value of `KINOMILL_DATABASE_POOLER` for programs."""
        return Pooler.NONE if self.pooler is None else Pooler.TRANSACTION

    def pooled_engine(self):
        """An engine through the pooler, as that of a program."""
        return create_database_engine(self.program_url, pooler=self.pooler_setting)

    def clear(self):
        """Delete all jobs and messages. No worker may be running."""
        self.redis.flushall()
        empty(self.engine)

    def kill_broker(self):
        """Kill Valkey and delete its data."""
        self._signal("valkey", signal.SIGKILL)
        until(lambda: not self._valkey.running(), what="the end of Valkey")
        shutil.rmtree(self.home / "valkey" / "appendonlydir", ignore_errors=True)

    def start_broker(self):
        assert self._valkey.start() == self.broker_url, "Valkey restarted at another address"

    def stop_database(self):
        """Crash PostgreSQL: mode `immediate` ends all sessions without a checkpoint."""
        self._signal("postgres", signal.SIGQUIT)
        until(lambda: not self._postgres.running(), what="the end of PostgreSQL")

    def start_database(self):
        assert self._postgres.start() == self.database_url, (
            "PostgreSQL restarted at another address"
        )

    @contextmanager
    def full_broker(self):
        """Make Valkey refuse writes that need memory, until the block ends."""
        self.redis.config_set("maxmemory", "1mb")
        try:
            yield
        finally:
            self.redis.config_set("maxmemory", "0")

    @contextmanager
    def readonly_broker(self):
        """Make Valkey a replica, as a failover does, until the block ends. It keeps its data."""
        self.redis.replicaof("127.0.0.1", 1)
        try:
            yield
        finally:
            self.redis.replicaof("NO", "ONE")

    def _signal(self, server, sign):
        os.kill(int((self.home / f"{server}.pid").read_text().split()[0]), sign)
