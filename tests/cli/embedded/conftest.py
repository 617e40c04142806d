from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import NullPool, create_engine, text

from cli.embedded.cluster import digest
from cli.embedded.os_user import OsUser
from cli.embedded.postgres import Postgres
from cli.embedded.processes import Daemon
from cli.embedded.valkey import Valkey

ROOT = os.geteuid() == 0
REPOSITORY = Path(__file__).parents[3]

IMPORTS = """
import encodings.idna, os, resource, sys
from pathlib import Path
from cli.embedded.errors import EmbeddedError
from cli.embedded.data_dir import default_home
from cli.embedded.postgres import Postgres
from cli.embedded.valkey import Valkey
"""

as_root = pytest.mark.skipif(not ROOT, reason="changes its identity, which takes root")


@pytest.fixture
def ground():
    """A short folder that any account may walk through; afterwards nothing may run in it."""
    folder = Path(tempfile.mkdtemp(prefix="fm-", dir=quick_disk()))
    folder.chmod(0o755)
    yield folder
    running = [pid_file for pid_file in folder.rglob("*.pid") if daemon(pid_file).alive()]
    for pid_file in running:
        daemon(pid_file).end((signal.SIGKILL, 10))
    litter = [path for place in folder.rglob("postgres") for path in sockets_in_tmp(place)]
    shutil.rmtree(folder)
    assert running == []
    assert litter == []


@pytest.fixture
def home(ground):
    return ground / "home"


@pytest.fixture
def new_valkey(ground):
    servers = []

    def make(home):
        servers.append(Valkey(home))
        return servers[-1]

    yield make
    for server in servers:
        server.stop()


@pytest.fixture
def new_postgres(ground):
    servers = []

    def make(home, **options):
        defaults = {"account": "nobody" if ROOT else None, "machine": ground / "machine"}
        servers.append(Postgres(home, **defaults | options))
        return servers[-1]

    yield make
    for server in servers:
        server.stop()


@pytest.fixture
def valkey(new_valkey, home):
    return new_valkey(home)


@pytest.fixture
def postgres(new_postgres, home):
    return new_postgres(home)


@pytest.fixture
def ordinary():
    """An account without rights, and nothing to change to if that is what we have."""
    return OsUser.named("nobody") if ROOT else None


@pytest.fixture
def own_ground(ground, ordinary):
    """A folder that the ordinary account owns."""
    folder = ground / "own"
    folder.mkdir()
    if ordinary:
        os.chown(folder, ordinary.uid, ordinary.gid)
    return folder


def program(code, *arguments, account=None):
    """Start another program that uses the servers; it can read from us and we from it.

    It changes its account itself, once it has its modules: its Python may lie in a closed home.
    """
    become = account and f"os.setgroups([]), os.setgid({account.gid}), os.setuid({account.uid})"
    return subprocess.Popen(
        [sys.executable, "-c", f"{IMPORTS}\n{become}\n{code}", *map(str, arguments)],
        cwd=REPOSITORY,
        env={"PYTHONPATH": os.pathsep.join([str(REPOSITORY), *sys.path])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def output(code, *arguments, account=None):
    with program(code, *arguments, account=account) as running:
        said, _ = running.communicate(timeout=60)
    assert running.returncode == 0
    return said.strip()


def daemon(pid_file):
    return Daemon(pid_file.stem, pid_file=pid_file, log=pid_file.with_suffix(".log"))


def pid_of(home, name):
    return daemon(home / f"{name}.pid").pid()


def query(url, sql):
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        result = connection.execute(text(sql))
        return result.scalar() if result.returns_rows else None


def queue(url):
    return redis.Redis.from_url(url, decode_responses=True, retry=Retry(NoBackoff(), 0))


def quick_disk():
    """Memory, where 40 MB for each database cost least, unless it is small or runs nothing."""
    memory = Path("/dev/shm")
    if memory.is_dir() and shutil.disk_usage(memory).free > 4e9:
        return memory if not os.statvfs(memory).f_flag & os.ST_NOEXEC else "/tmp"
    return "/tmp"


def sockets_in_tmp(place):
    """Where the socket is that does not fit beside the data in `place`."""
    return list(Path("/tmp").glob(f"kinomill-{server_uid()}-{digest(place)}"))


def server_uid():
    return pwd.getpwnam("nobody").pw_uid if ROOT else os.geteuid()
