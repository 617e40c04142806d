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

as_root = pytest.mark.skipif(not ROOT, reason="changes its user, which needs root")


@pytest.fixture
def ground():
    """A folder with a short path that every user can enter; at the end no server may run in it."""
    with tempfile.TemporaryDirectory(prefix="km-", dir=quick_disk()) as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        running = [pid_file for pid_file in folder.rglob("*.pid") if daemon(pid_file).alive()]
        for pid_file in running:
            daemon(pid_file).end((signal.SIGKILL, 10))
        leftover = [path for place in folder.rglob("postgres") for path in sockets_in_tmp(place)]
    assert running == []
    assert leftover == []


@pytest.fixture
def home(ground):
    return ground / "home"


@pytest.fixture
def new_valkey(ground):
    servers = []

    def create(home):
        servers.append(Valkey(home))
        return servers[-1]

    yield create
    for server in servers:
        server.stop()


@pytest.fixture
def new_postgres(ground):
    servers = []

    def create(home, **options):
        defaults = {"os_user": "nobody" if ROOT else None, "machine": ground / "machine"}
        servers.append(Postgres(home, **defaults | options))
        return servers[-1]

    yield create
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
    """An unprivileged OS user; None if the tests themselves run as one."""
    return OsUser.named("nobody") if ROOT else None


@pytest.fixture
def own_ground(ground, ordinary):
    """A folder that the ordinary user owns."""
    folder = ground / "own"
    folder.mkdir()
    if ordinary:
        os.chown(folder, ordinary.uid, ordinary.gid)
    return folder


def program(code, *arguments, os_user=None):
    """Start another program that uses the servers, with pipes for its stdin and stdout.

    It changes its user after its imports: its Python may be in a folder that only root can enter.
    """
    change_user = (
        os_user and f"os.setgroups([]), os.setgid({os_user.gid}), os.setuid({os_user.uid})"
    )
    return subprocess.Popen(
        [sys.executable, "-c", f"{IMPORTS}\n{change_user}\n{code}", *map(str, arguments)],
        cwd=REPOSITORY,
        env={"PYTHONPATH": os.pathsep.join([str(REPOSITORY), *sys.path])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def output(code, *arguments, os_user=None):
    with program(code, *arguments, os_user=os_user) as running:
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
    """A folder in memory (each database writes 40 MB), or /tmp if that is small or noexec."""
    memory = Path("/dev/shm")
    if memory.is_dir() and shutil.disk_usage(memory).free > 4e9:
        return memory if not os.statvfs(memory).f_flag & os.ST_NOEXEC else "/tmp"
    return "/tmp"


def sockets_in_tmp(place):
    """Socket folders in /tmp, used if the path beside the data in `place` is too long."""
    return list(Path("/tmp").glob(f"kinomill-{server_uid()}-{digest(place)}"))


def server_uid():
    return pwd.getpwnam("nobody").pw_uid if ROOT else os.geteuid()
